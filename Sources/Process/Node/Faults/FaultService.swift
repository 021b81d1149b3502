import CFaultHandler
import CPlatform
import Coherence
import Platform

/// Serves page faults: the engine, as the handler sees it.
///
/// Everything here runs in a signal handler with all signals blocked: no allocation, no lock that
/// application code could hold, no reference counting, no existential.
public protocol FaultService: BitwiseCopyable {
  /// The views of this process.
  var translation: TranslationTable { get }

  /// Makes `view` allow `access` to the page at `globalOffset`, a byte address of the global address space.
  /// The view's limit allows the access.
  ///
  /// False where the fault is not to be served after all; then it goes to the handler that was there before
  /// ours. (A service that cannot serve a fault that is its own says why and ends the process.)
  func serve(view: ViewID, globalOffset: Int, access: Access) -> Bool

  /// Says that this process, a child made by fork(), touched shared memory at `address`, which children do
  /// not have. Then the fault goes where it would go without us.
  func tellChild(_ address: UInt)
}

/// Serves the fault that `info` and `context` (the arguments of a handler with SA_SIGINFO) describe, if it is
/// one of ours: an access to a view that the view's limit allows. True when it was served; the access is then
/// repeated by returning from the handler. errno stays as it was.
///
/// All signals are blocked by the caller. Async-signal-safe as far as `service` is.
@inlinable
public func serveFault<S: FaultService>(
  _ service: S, info: UnsafeMutableRawPointer, context: UnsafeMutableRawPointer
) -> Bool {
  if cfault_is_forked_child() != 0 {
    // What a child has mapped itself since then, where a view was, is its own; hence only where nothing is.
    let address = UInt(cfault_address(info))
    guard cfault_is_missing(info) != 0, case .some = service.translation.lookup(address) else { return false }
    service.tellChild(address)
    return false
  }
  let kind = cfault_access(info, context)
  if kind == 0 || cfault_is_active() == 0 { return false }
  let access: Access = kind == 2 ? .readWrite : .read
  guard let found = service.translation.lookup(UInt(cfault_address(info))) else { return false }
  // A store through a read-only view is the application's fault, as for mmap.
  if access > found.limit { return false }
  let error = cplatform_errno()
  let served = service.serve(view: found.view, globalOffset: found.globalOffset, access: access)
  cplatform_set_errno(error)
  return served
}

/// The body of the SIGSEGV handler: serves the fault, or does what the action before ours would have done.
///
/// The concrete entry is a `@convention(c)` function marked `@_noLocks` that calls this with its service, so
/// that the compiler checks all that the handler can reach. Nothing is held when the fault is passed on: the
/// application's handler may leave by siglongjmp.
@inlinable
public func handleFault<S: FaultService>(
  _ service: S, signal: Int32, info: UnsafeMutableRawPointer?, context: UnsafeMutableRawPointer?
) {
  // Never nil: the kernel passes both to a handler with SA_SIGINFO.
  let info = info.unsafelyUnwrapped
  let context = context.unsafelyUnwrapped
  if !serveFault(service, info: info, context: context) { cfault_forward(signal, info, context) }
}

/// For an application's handler that was installed after ours and so replaced it: serves the fault if it is
/// one of ours (true: return from the handler), and does nothing else. Call it first thing in the handler,
/// which has SA_SIGINFO. Async-signal-safe.
@inlinable
public func forwardFault<S: FaultService>(
  _ service: S, signal: Int32, info: UnsafeMutableRawPointer?, context: UnsafeMutableRawPointer?
) -> Bool {
  // What the siginfo_t says counts.
  guard let info, let context else { return false }
  // The application's handler may leave signals open; no handler may run while a page's lock bit is held.
  let saved = cplatform_block_signals()
  let served = serveFault(service, info: info, context: context)
  cplatform_restore_signals(saved)
  return served
}
