import CFaultHandler
import Platform

/// The SIGSEGV handler of this process: put in place when the process joins, taken out at finalize.
///
/// The action before it is kept and honoured exactly for every fault that is not of a view: its mask,
/// SA_SIGINFO, SA_NODEFER, SA_RESETHAND, SIG_IGN, and the default, which ends the process with a core of the
/// true fault. (One difference remains: a handler that was installed without SA_ONSTACK runs on the thread's
/// alternate stack, where the thread has one.) Until somebody joins, nothing is installed.
///
/// A handler that the application installs *after* joining replaces ours; it has to call `forwardFault`
/// first and return if that was true.
///
/// A thread that blocks SIGSEGV must not touch views: the kernel ends a process that faults so. Hence in
/// a handler of the application with a full mask, shared memory is out of bounds.
///
/// A child made by fork() is no part of the job: `isForkedChild` is true there, views are not mapped, and the
/// handler passes every fault on.
///
/// `install` and `uninstall` are not thread-safe; the others are, and are async-signal-safe.
public enum FaultHandler {
  /// A handler with SA_SIGINFO: signal, siginfo_t, ucontext_t.
  public typealias Entry = @convention(c) (Int32, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void

  /// Makes `entry` the handler of SIGSEGV. Its body is `handleFault`; what that uses is ready by now.
  public static func install(_ entry: Entry) throws(SystemError) {
    let code = cfault_install(entry)
    guard code == 0 else {
      throw SystemError(attempt: "install the handler of page faults", call: "sigaction", code: code)
    }
  }

  /// Puts the action back that was there before. Where a handler was installed over ours in the meantime,
  /// that one stays, and so does ours beneath it, as a function that only passes on: false. From now on no
  /// fault is served.
  @discardableResult
  public static func uninstall() -> Bool { cfault_uninstall() != 0 }

  /// Whether this process was made by fork() from one that had joined.
  public static var isForkedChild: Bool { cfault_is_forked_child() != 0 }
}
