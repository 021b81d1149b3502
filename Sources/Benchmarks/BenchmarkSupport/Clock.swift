import Glibc

/// The clock of all measurements.
public enum Clock {
  /// Nanoseconds of the monotonic clock.
  public static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// Nanoseconds of each of `count` calls of `body`.
  public static func times(count: Int, _ body: (Int) throws -> Void) rethrows -> [UInt64] {
    var times = [UInt64](repeating: 0, count: count)
    for index in 0..<count {
      let began = now()
      try body(index)
      times[index] = now() - began
    }
    return times
  }

  /// Sleeps: the other nodes stop spinning in the barrier that they wait in, and leave the processors.
  public static func settle() { usleep(20_000) }
}
