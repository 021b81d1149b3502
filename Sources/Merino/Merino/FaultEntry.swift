import CPlatform
import Coherence
import Fabric
import Node
import Platform

/// The engine as the signal handler sees it.
struct EngineFaultService: FaultService {
  let engine: NodeEngine
  let translation: TranslationTable
  /// `reportByteCount` bytes: for the last words, and behind them a word that says that a child has been
  /// told.
  let report: UnsafeMutableRawPointer
  let loss: LossRecord
  static var reportByteCount: Int { LastWords.byteCount + 64 }

  @inline(__always)
  func serve(view: ViewID, globalOffset: Int, access: Access) -> Bool {
    refuseNothing(true)
    defer { refuseNothing(false) }
    do throws(EngineError) {
      try engine.fault(
        page: engine.configuration.page(atByte: globalOffset), access: access, view: view)
    } catch {
      FatalReport.end(
        report, node: engine.node.number, globalOffset: globalOffset, access: access, error, loss)
    }
    let code = engine.protection.failureCode
    if code != 0 {
      FatalReport.end(report, node: engine.node.number, globalOffset: globalOffset, errno: code)
    }
    return true
  }

  @inline(__always)
  func tellChild(_ address: UInt) {
    // Once: a child with a handler of its own may go on and do it again.
    guard AtomicWord(report + LastWords.byteCount).compareExchange(0, 1) else { return }
    FatalReport.tellChild(report, node: engine.node.number, address: address)
  }
}

/// Address of the `EngineFaultService` of this process; 0 before joining. Internal, with a constant
/// initialiser and unchecked, so that the handler's access to it calls no runtime function. Stored
/// before the handler is installed and never taken back: what it points at is never freed.
@exclusivity(unchecked)
nonisolated(unsafe) var faultServiceAddress: UInt = 0

/// The SIGSEGV handler. `@_noLocks`: the compiler rejects everything below that allocates, takes a lock,
/// counts references or calls through an existential; `ci/check-fault-path` looks at the machine code.
@_noLocks
@c(mrn_fault_entry)
public func faultEntry(
  _ signal: Int32, _ info: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?
) {
  guard let service = UnsafePointer<EngineFaultService>(bitPattern: faultServiceAddress) else { return }
  handleFault(service.pointee, signal: signal, info: info, context: context)
}

/// Serves a fault for a handler that the program installed after joining; false where it is not Merino's.
/// Async-signal-safe. See `merino_handle_fault`.
@_noLocks
@c(mrn_forward_fault)
public func forwardFaultEntry(
  _ signal: Int32, _ info: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?
) -> Bool {
  guard let service = UnsafePointer<EngineFaultService>(bitPattern: faultServiceAddress) else { return false }
  return forwardFault(service.pointee, signal: signal, info: info, context: context)
}
