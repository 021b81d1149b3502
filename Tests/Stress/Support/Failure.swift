import Glibc
import Merino

/// What was found wrong. Printed by the node that found it, which then ends with 1; the launcher ends the
/// others.
enum Failure {
  /// Called by any thread, once: the process ends.
  static func report(_ text: String) -> Never {
    say("FAIL " + text)
    _exit(1)
  }

  /// One write, so that lines of different nodes are not mixed.
  static func say(_ text: String) {
    let line = text + "\n"
    _ = line.withCString { write(1, $0, strlen($0)) }
  }
}

/// An error of the library ends the program: these programs make no call that may fail.
func must<R>(_ what: @autoclosure () -> String, _ body: () throws(MerinoError) -> R) -> R {
  do throws(MerinoError) {
    return try body()
  } catch {
    Failure.report("\(what()): \(error.description)")
  }
}

func now() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func milliseconds(since start: UInt64) -> Int { Int((now() - start) / 1_000_000) }
