import Platform

/// A write notice: a range of whole units, packed in a word: first page (36 bits), pages (20 bits),
/// log2 of the pages of a unit (4 bits), flags (4 bits).
@frozen
public struct WriteNotice: BitwiseCopyable, Sendable, Equatable {
  public let raw: UInt64
  @inlinable public init(raw: UInt64) { self.raw = raw }

  @inlinable
  public init(page: Page, count: Int, unitPages: Int, atHome: Bool) {
    precondition(page >= 0 && page.number >> 36 == 0, "a page's number does not fit into 36 bits")
    precondition(count > 0 && count <= Self.longestCount, "a notice's pages do not fit into 20 bits")
    precondition(
      unitPages > 0 && unitPages >> 16 == 0, "the logarithm of a unit's pages does not fit into 4 bits")
    raw =
      UInt64(page.number) << 28 | UInt64(count) << 8 | UInt64(unitPages.trailingZeroBitCount) << 4
      | (atHome ? 1 : 0)
  }
  @inlinable public var page: Page { Page(Int(raw >> 28)) }
  @inlinable public var count: Int { Int((raw >> 8) & 0xFFFFF) }
  @inlinable public var pages: PageRange { PageRange(page, count: count) }
  @inlinable public var unitPages: Int { 1 << Int((raw >> 4) & 0xF) }
  /// The writer was the page's home.
  @inlinable public var atHome: Bool { raw & 1 != 0 }
  @inlinable public static var longestCount: Int { 0xFFFFF }

  /// This notice and `unit`'s in one, where they are contiguous and alike.
  @inlinable
  func extended(by unit: Unit, atHome: Bool) -> WriteNotice? {
    guard page + count == unit.page, self.atHome == atHome, unitPages == unit.count,
      count + unit.count <= Self.longestCount
    else { return nil }
    return WriteNotice(page: page, count: count + unit.count, unitPages: unitPages, atHome: atHome)
  }
}

// The interval log: this node's ring of write notices in registered memory. Positions only grow; entry
// i lies at i mod the ring's size. Written under the commit lock, read by peers with RDMA READ.
//
// A writer advances the floor before it overwrites; a reader READs entries, then the floor on the same
// connection. So if an entry that was READ had been overwritten, the floor READ is above it.

extension Engine {
  @inlinable var logHead: SharedWord<E.W> { own(layout.logHead) }
  @inlinable var logFloor: SharedWord<E.W> { own(layout.logFloor) }

  @inlinable
  func logEntry(_ position: UInt64) -> SharedWord<E.W> { own(layout.logRing)[logIndex(position)] }

  /// The place of a position in a log's ring.
  @inlinable
  func logIndex(_ position: UInt64) -> Int { Int(position & UInt64(configuration.logEntryCount - 1)) }

  /// Notes that this node has changed `unit`: in the log, behind what `log` has gathered, and in the
  /// epoch buffer. Nobody sees the log's part before `publish`.
  @inlinable
  func note(_ unit: Unit, atHome: Bool, _ log: inout LogWriter) {
    ensure(isCommitLockHeld, .commitLockHeld, unit.page)
    ensure(
      unit.page.isMultiple(of: unit.count) && unit.pages.upperBound <= configuration.endPage, .wholeUnits,
      unit.page)
    add(.noticesSent)
    if let longer = log.last?.extended(by: unit, atHome: atHome) {
      log.last = longer
      logEntry(log.end - 1).store(longer.raw)
    } else {
      let notice = WriteNotice(page: unit.page, count: unit.count, unitPages: unit.count, atHome: atHome)
      let size = UInt64(configuration.logEntryCount)
      if log.end >= size { logFloor.store(log.end - size + 1) }
      // The floor before the entry: pairs with the readers' READs of entries, then floor.
      fullFence()
      execution.interleave(#line)
      logEntry(log.end).store(notice.raw)
      log.last = notice
      log.end += 1
    }
    noteInEpoch(unit, atHome: atHome)
  }

  /// Moves the head over what `log` gathered. Diffs are placed and marks cleared before.
  @inlinable
  func publish(_ log: LogWriter) {
    fullFence()
    execution.interleave(#line)
    ensure(isCommitLockHeld, .commitLockHeld)
    ensure(log.end >= logHead.loadRelaxed(), .headOnlyRises, Int(log.end))
    let floor = logFloor.loadRelaxed()
    ensure(
      floor <= log.end && log.end - floor <= UInt64(configuration.logEntryCount), .logWithinRing, Int(log.end)
    )
    logHead.store(log.end)
  }
}

/// Entries being appended to the log, under the commit lock.
@frozen
@usableFromInline
struct LogWriter {
  @usableFromInline var end: UInt64
  @usableFromInline var last: WriteNotice?
  @inlinable
  init(_ head: UInt64) { end = head }
}
