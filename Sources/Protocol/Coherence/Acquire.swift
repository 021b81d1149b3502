import Fabric
import Platform

// Acquire: what the releaser knew and this node does not is, per node, one contiguous range of one log.
// The ranges are READ together; the pages named are invalidated; only then is the clock raised.

extension Engine {
  /// Applies the notices up to `clock` (`nodeCount` words).
  @inlinable
  func acquire(_ clock: Clock<E.W>) throws(EngineError) {
    add(.acquires)
    if !isBehind(clock) { return }
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    try underCommitLock { w throws(EngineError) in try apply(clock, w) }
  }

  /// The acquire fence: applies all notices that any node has published before the call.
  @inlinable
  public func acquireAll() throws(EngineError) {
    try checkPeers()
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    add(.acquires)
    try underCommitLock { w throws(EngineError) in
      try readHeads(w)
      try apply(w.clock, w)
    }
  }

  /// The heads of all others' logs, as a clock in the workspace.
  @inlinable
  func readHeads(_ w: Workspace<E.W>) throws(EngineError) {
    for peer in configuration.nodes where peer != node {
      var batch = fabric.open(peer, lane: 0)
      read(&batch, layout.logHead.span, of: peer, into: w.clock.place(of: peer))
      fabric.submit(batch, w.flight)
    }
    w.clock[node] = 0
    try wait(w.flight)
    for peer in configuration.nodes where peer != node {
      try checkHead(w.clock[peer], of: peer)
    }
  }

  /// The postcondition of every acquire.
  @inlinable
  func ensureApplied(_ clock: Clock<E.W>) { ensure(!isBehind(clock), .clockApplied) }

  @inlinable
  func isBehind(_ clock: Clock<E.W>) -> Bool {
    for peer in configuration.nodes where peer != node {
      // Acquire: pairs with the store that raised the entry after its invalidations.
      if clock[peer] > local.applied(peer).load() { return true }
    }
    return false
  }

  /// Under the commit lock, inside the gate.
  @inlinable
  func apply(_ clock: Clock<E.W>, _ w: Workspace<E.W>) throws(EngineError) {
    do throws(EngineError) { try applyWhole(clock, w) } catch { throw midway(error) }
  }

  @inlinable
  func applyWhole(_ clock: Clock<E.W>, _ w: Workspace<E.W>) throws(EngineError) {
    ensure(isCommitLockHeld, .commitLockHeld)
    ensure(isInsideGate, .insideGate)
    if isOn(.clockRaisedFirst) { raiseClock(clock) }
    try check(clockEntry: clock[node], of: node, head: logHead.load())
    var log = LogWriter(logHead.load())
    do throws(EngineError) {
      try applyLogs(clock, &log, w)
    } catch {
      // What was flushed until then is placed, and its notices must not be lost.
      publish(log)
      throw error
    }
    // Diffs of dirty pages that were named are placed; their notices come before this acquire's end.
    publish(log)
    raiseClock(clock)
    ensureApplied(clock)
  }

  /// READs what the logs have up to `clock`, and invalidates.
  @inlinable
  func applyLogs(_ clock: Clock<E.W>, _ log: inout LogWriter, _ w: Workspace<E.W>) throws(EngineError) {
    var overflowed = false
    var wave = LogWave(first: 0, from: local.applied(0).load())
    while wave.node.number < nodeCount {
      let start = wave
      var reading = wave
      while let piece = next(&reading, clock, &overflowed) { readLog(piece, w) }
      try wait(w.flight)
      wave = start
      while let piece = next(&wave, clock, &overflowed) {
        try applyPiece(piece, &log, &overflowed, w)
      }
      wave.used = 0
    }
    if overflowed { try invalidateAll(&log, w) }
  }

  @inlinable
  func raiseClock(_ clock: Clock<E.W>) {
    ensure(isCommitLockHeld, .commitLockHeld)
    for peer in configuration.nodes where peer != node {
      let entry = clock[peer]
      execution.interleave(#line)
      // Release: pairs with `isBehind`.
      if entry > local.applied(peer).load() { local.applied(peer).store(entry) }
    }
  }

  /// The next range of a log that fits into what is left of the buffer; `nil` where none does or
  /// all are done. Ranges longer than a log are known to be overwritten: of those only the head is looked at.
  @inlinable
  func next(
    _ wave: inout LogWave, _ clock: Clock<E.W>, _ overflowed: inout Bool
  ) -> LogPiece? {
    while wave.node.number < nodeCount {
      let target = clock[wave.node]
      let missing = target > wave.from ? target - wave.from : 0
      if wave.node == node || missing == 0 {
        wave.node += 1
        if wave.node.number < nodeCount { wave.from = local.applied(wave.node).load() }
        continue
      }
      let room = layout.noticeBufferEntryCount - wave.used - LogPiece.tailWordCount
      if room <= 0 { return nil }
      let isLost = missing > UInt64(configuration.logEntryCount)
      if isLost { overflowed = true }
      let count = isLost ? 0 : min(Int(missing), room)
      let piece = LogPiece(
        node: wave.node, from: wave.from, target: target, count: count, offset: wave.used)
      wave.used += count + LogPiece.tailWordCount
      wave.from = isLost ? target : wave.from + UInt64(count)
      return piece
    }
    return nil
  }

  /// Posts the READs of a range (two where it wraps) and, behind them, of head and floor, which lie together.
  @inlinable
  func readLog(_ piece: LogPiece, _ w: Workspace<E.W>) {
    let size = configuration.logEntryCount
    let start = logIndex(piece.from)
    let before = min(piece.count, size - start)
    ensureRoom(piece.offset, count: piece.count + LogPiece.tailWordCount)
    var batch = fabric.open(piece.node, lane: 0)
    if before > 0 {
      read(
        &batch, layout.logRing.span(start, count: before), of: piece.node,
        into: noticeBuffer.address(piece.offset))
    }
    if before < piece.count {
      read(
        &batch, layout.logRing.span(0, count: piece.count - before), of: piece.node,
        into: noticeBuffer.address(piece.offset + before))
    }
    read(
      &batch, layout.logEnds, of: piece.node, into: noticeBuffer.address(piece.offset + piece.count))
    fabric.submit(batch, w.flight)
  }

  @inlinable
  func ensureRoom(_ first: Int, count: Int) {
    ensure(first >= 0 && first + count <= layout.noticeBufferEntryCount, .bufferHasRoom, first)
  }

  @inlinable
  func applyPiece(
    _ piece: LogPiece, _ log: inout LogWriter, _ overflowed: inout Bool, _ w: Workspace<E.W>
  ) throws(EngineError) {
    let tail = piece.offset + piece.count
    let (head, floor) = (noticeBuffer[tail].loadRelaxed(), noticeBuffer[tail + 1].loadRelaxed())
    try check(clockEntry: piece.target, of: piece.node, head: head)
    if floor > piece.from {
      overflowed = true
      return
    }
    for index in 0..<piece.count {
      let notice = WriteNotice(raw: noticeBuffer[piece.offset + index].loadRelaxed())
      try check(notice, as: .logNotice, of: piece.node)
      add(.noticesReceived)
      try invalidate(notice.pages, &log, w)
    }
  }
}

/// Where the READs of the logs have got to.
@frozen
@usableFromInline
struct LogWave {
  @usableFromInline var node: NodeID
  @usableFromInline var from: UInt64
  /// Entries of the buffer in use.
  @usableFromInline var used = 0
  @inlinable
  init(first: NodeID, from: UInt64) {
    node = first
    self.from = from
  }
}

/// A range of a node's log, and its place in the buffer.
@frozen
@usableFromInline
struct LogPiece {
  @usableFromInline var node: NodeID
  @usableFromInline var from: UInt64
  /// What the clock says of this log.
  @usableFromInline var target: UInt64
  @usableFromInline var count: Int
  @usableFromInline var offset: Int

  /// Words behind a range in the buffer: the log's head and floor, as they were after it was READ.
  @inlinable static var tailWordCount: Int { 2 }

  @inlinable
  init(node: NodeID, from: UInt64, target: UInt64, count: Int, offset: Int) {
    self.node = node
    self.from = from
    self.target = target
    self.count = count
    self.offset = offset
  }
}
