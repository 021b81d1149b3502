import Glibc
import Synchronization

/// What is left to be said to a launcher when this process ends by exit(3) or by returning from main. One
/// thing: a process joins once.
enum LastAct {
  private struct Registered {
    let process: pid_t
    let act: @Sendable () -> Void
  }
  private static let registered = Mutex<Registered?>(nil)

  static func set(_ act: @escaping @Sendable () -> Void) {
    let isFirst = registered.withLock { registered in
      defer { registered = Registered(process: getpid(), act: act) }
      return registered == nil
    }
    guard isFirst else { return }
    atexit {
      let last = LastAct.registered.withLock { $0 }
      // A forked child has the connections, too, and nothing to say.
      if let last, last.process == getpid() { last.act() }
    }
  }
}
