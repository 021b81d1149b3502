import Glibc

/// Says which seed ends the process: a trap leaves no time to report a failure.
enum FuzzWatch {
  /// The line that is written; zero-terminated, never deallocated, so that a handler may look at it at any
  /// time.
  nonisolated(unsafe) private static let line = UnsafeMutablePointer<CChar>.allocate(capacity: 256)
  private static let deadly = [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM]

  /// Longer than any batch takes, however slow the machine.
  private static let limitSeconds: UInt32 = 120

  /// Runs `body`; where the process dies of it, or hangs, the seed and how to repeat it are the last thing it
  /// says.
  static func run<T>(_ what: String, seed: UInt64, _ body: () throws -> T) rethrows -> T {
    let text =
      "FUZZ: seed \(seed) of \(what) ended the process; again: MERINO_FUZZ_SEED=\(seed) swift test --filter "
      + "FuzzTests\n"
    _ = text.withCString { strncpy(line, $0, 255) }
    line[255] = 0
    let before = deadly.map { number in
      var action = sigaction()
      var old = sigaction()
      action.__sigaction_handler.sa_handler = { number in
        _ = write(STDERR_FILENO, FuzzWatch.line, strlen(FuzzWatch.line))
        signal(number, SIG_DFL)
        raise(number)
      }
      // The handler of a signal that comes while it is blocked runs when this returns: raised again, it is
      // deadly.
      sigaction(number, &action, &old)
      return old
    }
    alarm(limitSeconds)
    defer {
      alarm(0)
      for (number, action) in zip(deadly, before) {
        var action = action
        sigaction(number, &action, nil)
      }
    }
    return try body()
  }

  /// The seeds to run: those of the test, or the one that is to be repeated.
  static func seeds(_ usual: Range<UInt64>) -> [UInt64] {
    guard let raw = getenv("MERINO_FUZZ_SEED"), let seed = UInt64(String(cString: raw)) else {
      return Array(usual)
    }
    return [seed]
  }

  static func openFiles() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
  }
}
