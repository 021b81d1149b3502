import CPlatform
import Coherence
import Fabric
import Platform

/// The sentence of a page fault that cannot be served, put together and written in the signal handler: no
/// allocation, no formatting library. The one thing that this library says on its own.
public struct FatalReport {
  /// Bytes of the buffer that it is put together in.
  @inlinable public static var byteCount: Int { 1024 }

  @usableFromInline let buffer: UnsafeMutableRawPointer
  @usableFromInline var used: Int

  /// `buffer`: `byteCount` bytes of this process for this purpose. Threads that fail at once may
  /// garble each other's sentence, and the process ends.
  @inlinable
  public init(_ buffer: UnsafeMutableRawPointer) {
    self.buffer = buffer
    // Here and not where it is declared: that would be a function that @_noLocks cannot see into.
    used = 0
  }

  @inlinable
  mutating func append(_ text: StaticString) {
    let count = min(text.utf8CodeUnitCount, Self.byteCount - used)
    cplatform_copy(buffer + used, text.utf8Start, count)
    used += count
  }

  @inlinable
  mutating func append(_ number: Int) {
    if number < 0 { append("-") }
    var divisor: UInt = 1
    let magnitude = number.magnitude
    while magnitude / divisor >= 10 { divisor *= 10 }
    while divisor > 0 && used < Self.byteCount {
      buffer.storeBytes(
        of: UInt8(truncatingIfNeeded: 48 + magnitude / divisor % 10), toByteOffset: used, as: UInt8.self)
      used += 1
      divisor /= 10
    }
  }

  @inlinable
  mutating func append(hexadecimal number: UInt) {
    append("0x")
    var shift = number == 0 ? 0 : (UInt.bitWidth - 1 - number.leadingZeroBitCount) & ~3
    while shift >= 0 && used < Self.byteCount {
      let digit = UInt8(truncatingIfNeeded: number >> UInt(shift) & 15)
      buffer.storeBytes(of: digit < 10 ? 48 + digit : 87 + digit, toByteOffset: used, as: UInt8.self)
      used += 1
      shift -= 4
    }
  }

  @inlinable
  mutating func append(_ text: UnsafeRawPointer, _ byteCount: Int) {
    let count = min(byteCount, Self.byteCount - used)
    cplatform_copy(buffer + used, text, count)
    used += count
  }

  /// `loss`: of a lost node, the sentence about its end.
  @inlinable
  mutating func append(_ failure: FabricFailure, _ loss: LossRecord) {
    switch failure.reason {
    case .peerLost:
      if failure.peer == FabricFailure.launcher {
        append(": the launcher ended before the job, and with it the job")
        return
      }
      append(": node ")
      append(Int(failure.peer))
      append(" left the job before the end, and this page needs the others")
      let byteCount = loss.howByteCount
      if byteCount > 0 {
        append(": ")
        // Without its full stop.
        append(loss.how, byteCount - 1)
      }
    case .completionError:
      append(": the fabric's operation to node ")
      append(Int(failure.peer))
      if failure.status < 0 {
        append(" was not accepted by this node's device, with errno ")
        append(-Int(failure.status))
      } else {
        append(" failed with status ")
        append(Int(failure.status))
        append(", ")
        append(failure.statusWords)
      }
    case .registrationFailed, .halfDone:
      append(": registering memory with the device failed with errno ")
      append(Int(failure.status))
      append("; raise the limit of locked memory (ulimit -l)")
    case .badWord:
      append(": ")
      append(failure.badWordWords)
      append(" at node ")
      append(Int(failure.peer))
      append(" is ")
      append(hexadecimal: UInt(failure.value))
      append(", which no node can have written there: its memory was overwritten")
    }
  }

  /// Writes the sentence and ends the process.
  @inlinable
  func end() -> Never {
    cplatform_write_and_exit(buffer, used, 70)
  }

  /// Says why a fault could not be served, and ends the process.
  @inlinable
  public static func end(
    _ buffer: UnsafeMutableRawPointer, node: Int, globalOffset: Int, access: Access, _ error: EngineError,
    _ loss: LossRecord
  ) -> Never {
    var report = FatalReport(buffer)
    report.append("merino: node ")
    report.append(node)
    report.append(
      access == .readWrite
        ? " could not write the page at global address " : " could not read the page at global address ")
    report.append(hexadecimal: UInt(bitPattern: globalOffset))
    if case .fabric(let failure) = error {
      report.append(failure, loss)
    } else {
      report.append(": the protocol is in an impossible state")
    }
    report.append(". The process ends.\n")
    report.end()
  }

  /// Says that a child made by fork() touched shared memory. Its process ends by the signal, or goes on where
  /// its own handler wants that.
  @inlinable
  public static func tellChild(_ buffer: UnsafeMutableRawPointer, node: Int, address: UInt) {
    var report = FatalReport(buffer)
    report.append("merino: process ")
    report.append(Int(cplatform_process_id()))
    report.append(" is a child made by fork() of node ")
    report.append(node)
    report.append(" and touched shared memory at ")
    report.append(hexadecimal: address)
    report.append(
      ", which a child does not have: it is no part of the job. Call fork() before merino_init; ")
    report.append("starting another program by posix_spawn() or fork() and exec() is fine.\n")
    cplatform_write_error(report.buffer, report.used)
  }

  /// Says that a page's protection could not be changed, and ends the process.
  @inlinable
  public static func end(_ buffer: UnsafeMutableRawPointer, node: Int, globalOffset: Int, errno code: Int32)
    -> Never
  {
    var report = FatalReport(buffer)
    report.append("merino: node ")
    report.append(node)
    report.append(" could not make the page at global address ")
    report.append(hexadecimal: UInt(bitPattern: globalOffset))
    report.append(" accessible: mprotect said errno ")
    report.append(Int(code))
    report.append("; if that is ENOMEM (12), raise vm.max_map_count. The process ends.\n")
    report.end()
  }
}
