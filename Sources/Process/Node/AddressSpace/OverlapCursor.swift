import Coherence
import Platform

/// Goes through the views that show any byte of a range of global addresses. Lock-free and
/// async-signal-safe, like the look-ups of `TranslationTable`.
///
/// When the table changes twice during the walk it starts over, so that a view may come up more than once;
/// views that are there from beginning to end come up at least once. What is done to each must bear
/// repetition.
@frozen
public struct OverlapCursor: BitwiseCopyable {
  @usableFromInline let table: TranslationTable
  @usableFromInline let start: UInt64
  @usableFromInline let end: UInt64
  @usableFromInline var version: UInt64 = 0
  /// Entries, in global order, still to be looked at; -1 before the beginning.
  @usableFromInline var remaining = -1

  /// `range` is in bytes.
  @inlinable
  public init(_ table: TranslationTable, overlapping range: Range<Int>) {
    self.table = table
    start = UInt64(range.lowerBound)
    end = UInt64(range.upperBound)
  }

  /// The next view, -1 at the end.
  @inlinable
  public mutating func next() -> ViewID {
    if start >= end { return -1 }
    while true {
      if remaining < 0 {
        // Acquire: pairs with the release store that published the version.
        version = table.published.load()
        remaining = table.snapshot(version).countStarting(atOrBelow: end &- 1, .byGlobal)
      }
      if remaining == 0 {
        if table.isIntact(version) { return -1 }
        remaining = -1
        continue
      }
      remaining &-= 1
      let entry = table.snapshot(version).entry(remaining, .byGlobal)
      let reach = entry.reach.loadRelaxed()
      let viewEnd = entry.globalEnd.loadRelaxed()
      let identity = entry.identity.loadRelaxed()
      guard table.isIntact(version) else {
        remaining = -1
        continue
      }
      if reach <= start {
        // Nothing from here down reaches into the range.
        remaining = 0
        return -1
      }
      if viewEnd > start { return ViewID(Int(truncatingIfNeeded: identity >> 2)) }
    }
  }
}
