import Coherence
import Platform

/// What a view allows on each of its pages, one byte per base page (the raw value of `Access`), and how many
/// boundaries there are: positions k where page k-1 and page k differ. The kernel has exactly one mapping
/// more than boundaries, because it splits and merges a view's mappings along the same lines.
///
/// Read and changed only under the view's lock. The memory is sparse: untouched means none.
@frozen
@usableFromInline
struct PageLevels: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let levels: UnsafeMutablePointer<UInt8>
  /// Boundaries k of each window of 512 pages, so that a search for many of them can skip the rest.
  @usableFromInline let windows: UnsafeMutablePointer<UInt16>
  @usableFromInline let count: Int

  @inlinable static var windowShift: Int { 9 }
  /// A run is stretched over so many pages that need no change: a longer call beats a second one.
  @inlinable static var longestBridge: Int { 32 }

  @inlinable
  init(_ memory: UnsafeMutableRawPointer, count: Int) {
    levels = memory.assumingMemoryBound(to: UInt8.self)
    windows = (memory + Self.levelByteCount(count)).assumingMemoryBound(to: UInt16.self)
    self.count = count
  }

  @inlinable static func levelByteCount(_ count: Int) -> Int { (count &+ 63) & ~63 }

  @inlinable static func byteCount(_ count: Int) -> Int {
    levelByteCount(count) &+ ((count >> windowShift) &+ 1) &* 2
  }

  @inlinable
  func isBoundary(_ position: Int) -> Bool {
    position > 0 && position < count && levels[position &- 1] != levels[position]
  }

  /// The first stretch at or after `start` of pages that are above `target` (`raising`: below), bridged
  /// over short stretches that are at `target` already. Empty at `end` where there is none.
  @inlinable
  func nextRun(from start: Int, until end: Int, to target: UInt8, raising: Bool) -> PageRun {
    var first = start
    while first < end && !needsChange(levels[first], target, raising) {
      // Most of a large range that is lowered is none already.
      if !raising && first & 7 == 0 && first &+ 8 <= end && isNone8(first) {
        first &+= 8
      } else {
        first &+= 1
      }
    }
    if first >= end { return PageRun(end, end) }
    var last = first
    var page = first &+ 1
    while page < end && page &- last <= Self.longestBridge {
      if needsChange(levels[page], target, raising) {
        last = page
      } else if levels[page] != target {
        break
      }
      page &+= 1
    }
    return PageRun(first, last &+ 1)
  }

  @inlinable
  func needsChange(_ level: UInt8, _ target: UInt8, _ raising: Bool) -> Bool {
    raising ? level < target : level > target
  }

  /// Eight pages at once; `page` is a multiple of eight and the array is aligned to 64.
  @inlinable
  func isNone8(_ page: Int) -> Bool { UnsafeRawPointer(levels + page).load(as: UInt64.self) == 0 }

  /// Boundaries more than now, once all of `run` is at `level`.
  @inlinable
  func growth(_ run: PageRun, to level: UInt8) -> Int {
    var before = 0
    var position = run.start
    while position <= run.end {
      if isBoundary(position) { before &+= 1 }
      position &+= 1
    }
    let left = run.start > 0 && levels[run.start &- 1] != level
    let right = run.end < count && levels[run.end] != level
    return (left ? 1 : 0) &+ (right ? 1 : 0) &- before
  }

  @inlinable
  func set(_ run: PageRun, to level: UInt8) {
    countBoundaries(run, -1)
    var page = run.start
    while page < run.end {
      levels[page] = level
      page &+= 1
    }
    countBoundaries(run, 1)
  }

  /// Adds `sign` to the window of each boundary in or at the edges of `run`.
  @inlinable
  func countBoundaries(_ run: PageRun, _ sign: Int) {
    var position = run.start
    while position <= run.end {
      if isBoundary(position) {
        let window = windows + (position >> Self.windowShift)
        window.pointee = UInt16(truncatingIfNeeded: Int(window.pointee) &+ sign)
      }
      position &+= 1
    }
  }

  /// Boundaries in windows `first ..< end`.
  @inlinable
  func boundaries(inWindows first: Int, _ end: Int) -> Int {
    var sum = 0
    var window = first
    while window < end {
      sum &+= Int(windows[window])
      window &+= 1
    }
    return sum
  }

  /// The boundary nearest to `position` at or below it; 0 where there is none.
  @inlinable
  func boundary(atOrBelow position: Int) -> Int {
    var found = position
    while found > 0 && !isBoundary(found) { found &-= 1 }
    return found
  }

  /// The boundary nearest to `position` at or above it; the end of the view where there is none.
  @inlinable
  func boundary(atOrAbove position: Int) -> Int {
    var found = position
    while found < count && !isBoundary(found) { found &+= 1 }
    return found
  }
}

/// Pages `start ..< end` of a view, counted from its beginning.
@frozen
@usableFromInline
struct PageRun: BitwiseCopyable {
  @usableFromInline let start: Int
  @usableFromInline let end: Int
  @inlinable
  init(_ start: Int, _ end: Int) {
    self.start = start
    self.end = end
  }
  @inlinable var isEmpty: Bool { start >= end }
}
