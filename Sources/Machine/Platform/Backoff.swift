import CPlatform

/// Waiting of every kind: spins briefly, then yields, then sleeps for growing times, so that more
/// nodes than cores make progress. Async-signal-safe.
@frozen
public struct Backoff: BitwiseCopyable, Sendable {
  @usableFromInline var steps: UInt32 = 0

  @inlinable public init() {}

  /// Steps that spin where nothing better is known: a few microseconds, the time of an operation on a fast
  /// network.
  @inlinable public static var spins: UInt32 { 64 }
  /// Steps after those that yield.
  @inlinable static var yields: UInt32 { 336 }
  /// No step takes longer, but for the system's own delays.
  @inlinable public static var longestSleepNanoseconds: UInt64 { 1_000_000 }

  /// One step of the wait.
  @inlinable
  public mutating func wait() { wait(spins: Self.spins) }

  /// One step of a wait that spins for the first `spins` of them.
  @inlinable
  public mutating func wait(spins: UInt32) {
    steps &+= 1
    if steps <= spins {
      cplatform_relax()
    } else if steps &- spins <= Self.yields {
      cplatform_yield()
    } else {
      let doublings = min((steps &- spins &- Self.yields) / 8, 6)
      cplatform_sleep_nanoseconds(min(20_000 << UInt64(doublings), Self.longestSleepNanoseconds))
    }
    if steps == .max { steps = spins &+ Self.yields }
  }
}
