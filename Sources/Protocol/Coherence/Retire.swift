import Fabric
import Platform

// Freed pages. Their last user enters the range in a ring at node 0. At the next barrier every node
// learns of it and forgets them (`Forget`). At the barrier after that all nodes have forgotten, and the
// addresses may be used again.

extension Engine {
  /// Enters pages that nobody uses any more; the diffs of whoever detached are placed. Their last view goes
  /// before the caller gives the lock back, and without that lock nobody makes a segment of these addresses.
  /// The caller holds the lock of the segment table, so there is one at a time. Returns the position; the
  /// pages may be used again once `isReusable`. `nil` where the ring is full until the next barriers.
  @inlinable
  public func retire(_ range: PageRange) throws(EngineError) -> UInt64? {
    try checkPeers()
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    var batch = fabric.open(0, lane: 0)
    read(&batch, layout.retireHead.span, of: 0, into: w.result(0))
    try complete(batch, w)
    let position = w.resultValue(0)
    try checkFreed(position, since: local.retireReusable.load(), rounds: 2)
    if position - local.retireReusable.load() >= UInt64(ControlLayout.retireEntryCount) { return nil }
    w.word(1).storeRelaxed(UInt64(range.lowerBound.number))
    w.word(2).storeRelaxed(UInt64(range.count))
    w.word(3).storeRelaxed(position + 1)
    batch = fabric.open(0, lane: 0)
    write(&batch, from: w.result(1), to: layout.freedRecord(position).words.writable, of: 0)
    write(&batch, from: w.result(3), to: layout.retireHead.writable, of: 0)
    // A READ behind them: the caller's lock passes on only after the ring is written.
    read(&batch, layout.retireHead.span, of: 0, into: w.result(4))
    try complete(batch, w)
    return position
  }

  /// Whether the range retired at `position` has been forgotten by all nodes.
  @inlinable
  public func isReusable(_ position: UInt64) -> Bool { position < local.retireReusable.load() }

  @inlinable
  func readRetired(_ position: UInt64) throws(EngineError) -> PageRange {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    var batch = fabric.open(0, lane: 0)
    read(&batch, layout.freedRecord(position).words.span, of: 0, into: w.result(0))
    try complete(batch, w)
    return try freedRange(first: w.resultValue(0), count: w.resultValue(1))
  }
}
