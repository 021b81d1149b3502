import CPlatform
import Coherence
import Fabric
import Platform

/// The sentence of a page fault that cannot be served, put together and written in the signal handler: no
/// allocation, no formatting library. The one thing that this library says on its own.
public struct FatalReport {
  @usableFromInline var words: LastWords

  /// `buffer`: as of `LastWords`.
  @inlinable
  public init(_ buffer: UnsafeMutableRawPointer) { words = LastWords(buffer) }

  /// `loss`: of a lost node, the sentence about its end.
  @inlinable
  mutating func append(_ failure: FabricFailure, _ loss: LossRecord) {
    switch failure.reason {
    case .peerLost:
      if failure.peer == FabricFailure.launcher {
        words.append(": the launcher ended before the job, and with it the job")
        return
      }
      words.append(": node ")
      words.append(Int(failure.peer))
      words.append(" left the job before the end, and this page needs the others")
      let byteCount = loss.howByteCount
      if byteCount > 0 {
        words.append(": ")
        // Without its full stop.
        words.append(loss.how, byteCount - 1)
      }
    case .completionError:
      words.append(": the fabric's operation to node ")
      words.append(Int(failure.peer))
      if failure.status < 0 {
        words.append(" was not accepted by this node's device, with errno ")
        words.append(-Int(failure.status))
      } else {
        words.append(" failed with status ")
        words.append(Int(failure.status))
        words.append(", ")
        words.append(failure.statusWords)
      }
    case .registrationFailed, .halfDone:
      words.append(": registering memory with the device failed with errno ")
      words.append(Int(failure.status))
      words.append("; raise the limit of locked memory (ulimit -l)")
    case .badWord:
      words.append(": ")
      words.append(failure.badWordWords)
      words.append(" at node ")
      words.append(Int(failure.peer))
      words.append(" is ")
      words.append(hexadecimal: UInt(failure.value))
      words.append(", which no node can have written there: its memory was overwritten")
    }
  }

  /// Says why a fault could not be served, and ends the process.
  @inlinable
  public static func end(
    _ buffer: UnsafeMutableRawPointer, node: Int, globalOffset: Int, access: Access, _ error: EngineError,
    _ loss: LossRecord
  ) -> Never {
    var report = FatalReport(buffer)
    report.words.append("merino: node ")
    report.words.append(node)
    report.words.append(
      access == .readWrite
        ? " could not write the page at global address " : " could not read the page at global address ")
    report.words.append(hexadecimal: UInt(bitPattern: globalOffset))
    if case .fabric(let failure) = error {
      report.append(failure, loss)
    } else {
      report.words.append(": the protocol is in an impossible state")
    }
    report.words.append(". The process ends.\n")
    report.words.end()
  }

  /// Says that a child made by fork() touched shared memory. Its process ends by the signal, or goes on where
  /// its own handler wants that.
  @inlinable
  public static func tellChild(_ buffer: UnsafeMutableRawPointer, node: Int, address: UInt) {
    var report = FatalReport(buffer)
    report.words.append("merino: process ")
    report.words.append(Int(cplatform_process_id()))
    report.words.append(" is a child made by fork() of node ")
    report.words.append(node)
    report.words.append(" and touched shared memory at ")
    report.words.append(hexadecimal: address)
    report.words.append(
      ", which a child does not have: it is no part of the job. Call fork() before merino_init; ")
    report.words.append("starting another program by posix_spawn() or fork() and exec() is fine.\n")
    report.words.say()
  }

  /// Says that a page's protection could not be changed, and ends the process.
  @inlinable
  public static func end(_ buffer: UnsafeMutableRawPointer, node: Int, globalOffset: Int, errno code: Int32)
    -> Never
  {
    var report = FatalReport(buffer)
    report.words.append("merino: node ")
    report.words.append(node)
    report.words.append(" could not make the page at global address ")
    report.words.append(hexadecimal: UInt(bitPattern: globalOffset))
    report.words.append(" accessible: mprotect said errno ")
    report.words.append(Int(code))
    report.words.append("; if that is ENOMEM (12), raise vm.max_map_count. The process ends.\n")
    report.words.end()
  }
}
