import CBootstrap
import Glibc

/// The signals that the launcher reads from a descriptor instead of being interrupted by them.
struct LauncherSignals {
  /// Passed on to every node.
  static let forwarded = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP]

  /// What the nodes get back.
  let maskBefore: sigset_t
  let brokenPipeActionBefore: sigaction
  private let blocked: sigset_t

  /// Blocks the signals; one that was ignored before (nohup) is not seen by anybody, as it should be.
  init() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in Self.forwarded + [SIGCHLD] { sigaddset(&signals, number) }
    var before = sigset_t()
    sigprocmask(SIG_BLOCK, &signals, &before)
    maskBefore = before
    blocked = signals
    // A parent that ignores SIGCHLD would have our children vanish without a status.
    signal(SIGCHLD, SIG_DFL)
    var ignore = sigaction()
    ignore.__sigaction_handler.sa_handler = SIG_IGN
    var pipeBefore = sigaction()
    sigaction(SIGPIPE, &ignore, &pipeBefore)
    brokenPipeActionBefore = pipeBefore
  }

  struct Arrival {
    let number: Int32
    /// Sent by the terminal, hence to the whole process group: the nodes have it already.
    let isFromTerminal: Bool
  }

  /// A process needs a descriptor of its own: it gives the signals of whoever reads it.
  func makeDescriptor() -> Int32 {
    var signals = blocked
    return cbootstrap_signal_descriptor(&signals)
  }

  /// Stops this process as the signal would have done, had it not been read from a descriptor: so the
  /// kernel's exception holds as well, that nobody is stopped whom no shell could wake.
  static func stop() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGTSTP)
    sigprocmask(SIG_UNBLOCK, &signals, nil)
    raise(SIGTSTP)
    sigprocmask(SIG_BLOCK, &signals, nil)
  }

  static func next(from descriptor: Int32) -> Arrival? {
    var number: Int32 = 0
    var code: Int32 = 0
    guard cbootstrap_read_signal(descriptor, &number, &code) == 1 else { return nil }
    return Arrival(number: number, isFromTerminal: code == 0x80)  // SI_KERNEL
  }
}
