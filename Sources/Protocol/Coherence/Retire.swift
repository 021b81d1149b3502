import Fabric
import Platform

// Freed pages. Their last user enters the range in a ring at node 0. At the next barrier every node
// learns of it and forgets them (`Forget`). At the barrier after that all nodes have forgotten, and the
// addresses may be used again.

extension Engine {
  /// Enters pages that nobody uses any more; the diffs of whoever detached are placed. Their last view goes before the
  /// caller gives the lock back, and without that lock nobody makes a segment of these addresses. The caller
  /// holds the lock of the segment table, so there is one at a time. Returns the position; the
  /// pages may be used again once `isReusable`. `nil` where the ring is full until the next barriers.
  @inlinable
  public func retire(_ range: Range<Int>) throws(EngineError) -> UInt64? {
    try checkPeers()
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    var batch = fabric.open(0, lane: 0)
    fabric.read(&batch, from: remote(0, layout.retireHead), into: w.result(0), byteCount: 8)
    fabric.submit(batch, w.flight)
    try wait(w.flight)
    let position = w.resultValue(0)
    try checkFreed(position, since: local.retireReusable.load(), rounds: 2)
    if position - local.retireReusable.load() >= UInt64(ControlLayout.retireEntryCount) { return nil }
    w.result(1).storeBytes(of: UInt64(range.lowerBound), as: UInt64.self)
    w.result(2).storeBytes(of: UInt64(range.count), as: UInt64.self)
    w.result(3).storeBytes(of: position + 1, as: UInt64.self)
    batch = fabric.open(0, lane: 0)
    fabric.write(
      &batch, from: w.result(1), byteCount: ControlLayout.retireEntryByteCount,
      to: remote(0, retireEntry(position)))
    fabric.write(&batch, from: w.result(3), byteCount: 8, to: remote(0, layout.retireHead))
    // A READ behind them: the caller's lock passes on only after the ring is written.
    fabric.read(&batch, from: remote(0, layout.retireHead), into: w.result(4), byteCount: 8)
    fabric.submit(batch, w.flight)
    try wait(w.flight)
    return position
  }

  /// Whether the range retired at `position` has been forgotten by all nodes.
  @inlinable
  public func isReusable(_ position: UInt64) -> Bool { position < local.retireReusable.load() }

  @inlinable
  func retireEntry(_ position: UInt64) -> Int {
    let slot = Int(position % UInt64(ControlLayout.retireEntryCount))
    return layout.retireRing + slot * ControlLayout.retireEntryByteCount
  }

  @inlinable
  func readRetired(_ position: UInt64) throws(EngineError) -> Range<Int> {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    var batch = fabric.open(0, lane: 0)
    fabric.read(
      &batch, from: remote(0, retireEntry(position)), into: w.result(0),
      byteCount: ControlLayout.retireEntryByteCount)
    fabric.submit(batch, w.flight)
    try wait(w.flight)
    return try freedRange(first: w.resultValue(0), count: w.resultValue(1))
  }
}
