import Fabric
import Platform

extension Engine {
  /// The barrier of all nodes: called by one thread of each node. Everything before it on any node
  /// happens before everything after it on every node. Homes move here, and freed pages are reset.
  ///
  /// Throws `.busy` where another thread of this node is in it.
  @inlinable
  public func barrier() throws(EngineError) {
    try checkPeers()
    guard local.barrierBusy.compareExchange(0, 1) else { throw .busy }
    defer { local.barrierBusy.store(0) }
    do throws(EngineError) { try passBarrier() } catch { throw midway(error) }
  }

  @inlinable
  func passBarrier() throws(EngineError) {
    add(.barriers)
    var message = BarrierMessage()
    let number = nextDissemination()
    try sealAndTell(number, &message)
    try hear(number, &message, carrying: true)
    if message.retired == local.retireApplied.load() { local.refreshesHeld.store(0) }
    if message.epochOverflowed {
      try acquire(local.mergedClock)
    } else if (configuration.nodes).contains(where: hasEpoch) {
      try acquireEpoch()
    }
    if local.moveCount.loadRelaxed() > 0 { try moveHomes() }
    try reset(upTo: message.retired)
    local.refreshesHeld.store(0)
    ensureApplied(local.mergedClock)
    keepBarrierClock()
  }

  /// The clock that the next barrier's is compared with.
  @inlinable
  func keepBarrierClock() {
    ensure(local.mergedClock[node] <= logHead.load(), .ownClockBelowHead)
    for peer in configuration.nodes {
      let entry = local.mergedClock[peer]
      ensure(entry >= local.barrierClock[peer], .clockOnlyRises, peer)
      local.barrierClock[peer] = entry
    }
  }

  /// Signals are blocked once for both: it costs two system calls.
  @inlinable
  func sealAndTell(_ number: UInt64, _ message: inout BarrierMessage) throws(EngineError) {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    try seal(&message)
    try tellFirst(number, message, carrying: true)
  }

  /// This node's part: everything placed and noted, the epoch's set closed, the clock in the message.
  @inlinable
  func seal(_ message: inout BarrierMessage) throws(EngineError) {
    try underCommitLock { w throws(EngineError) in try seal(&message, w) }
  }

  @inlinable
  func seal(_ message: inout BarrierMessage, _ w: Workspace<E.W>) throws(EngineError) {
    ensureRound()
    try commitRound(w)
    // Under the commit lock, under which hot pages are refreshed: from the seal on others may have forgotten
    // what was freed, and its frames with it.
    if !isOn(.hotRefreshedWhileForgetting) { local.refreshesHeld.store(1) }
    message.epochOverflowed = sealEpoch()
    // What others could overwrite of this node's own, and what the message has no room for.
    try checkHead(logHead.load(), of: node)
    if node == 0 {
      message.retired = own(layout.retireHead).load()
      try checkFreed(message.retired, since: local.retireApplied.load())
    }
    for peer in configuration.nodes {
      let entry = peer == node ? logHead.load() : local.applied(peer).load()
      local.mergedClock[peer] = entry
    }
    local.moveCount.storeRelaxed(0)
  }

  /// The acquire of a barrier where all epoch sets fit: invalidates by the sets, and finds the
  /// moves. A set is that of the epoch before `local.epoch`.
  @inlinable
  func acquireEpoch() throws(EngineError) {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    try underCommitLock { w throws(EngineError) in try acquireEpoch(w) }
  }

  @inlinable
  func acquireEpoch(_ w: Workspace<E.W>) throws(EngineError) {
    ensureRound()
    if isOn(.clockRaisedFirst) { raiseClock(local.mergedClock) }
    var log = LogWriter(logHead.load())
    do throws(EngineError) {
      try applyEpochSets(&log, w)
    } catch {
      // What was flushed until then is placed, and its notices must not be lost.
      publish(log)
      throw error
    }
    publish(log)
    raiseClock(w.clock)
    // A thread outside the barrier may have released after its node's seal, and another node acquired
    // that before its own: the merged clock is ahead of the sets then, and the logs have the rest.
    if isOn(.barrierIgnoresSeals) { raiseClock(local.mergedClock) } else { try apply(local.mergedClock, w) }
    keepSoleWriters()
  }

  /// Invalidates by the sets; leaves in the workspace's clock up to where each stands in for its log.
  @inlinable
  func applyEpochSets(_ log: inout LogWriter, _ w: Workspace<E.W>) throws(EngineError) {
    for peer in configuration.nodes { w.clock[peer] = 0 }
    var first: NodeID = 0
    while first.number < nodeCount {
      let end = try readEpochHeads(from: first, w)
      for peer in first..<end where hasEpoch(peer) {
        let sealed = noticeBuffer[(peer - first) * epochHeadWordCount + EpochRecord.sealedIndex].loadRelaxed()
        try checkSeal(sealed, of: peer)
        w.clock[peer] = sealed
        try applyEpoch(of: peer, slot: peer - first, &log, w)
      }
      first = end
    }
  }

  /// Whether `peer` noticed anything since the last barrier. Where no node did, the clock is that of the last
  /// barrier and applied already.
  @inlinable
  func hasEpoch(_ peer: NodeID) -> Bool {
    local.mergedClock[peer] > local.barrierClock[peer]
  }

  /// Words of an epoch buffer that are READ at once: its head and first entries.
  @inlinable
  var epochHeadWordCount: Int { min(64, EpochRecord.headWordCount + configuration.epochEntryCount) }

  /// READs the heads of the sets of nodes `from ..< end`, as many as the buffer holds.
  @inlinable
  func readEpochHeads(from first: NodeID, _ w: Workspace<E.W>) throws(EngineError) -> NodeID {
    let words = epochHeadWordCount
    // Room for one whole set stays behind the heads.
    let room = layout.noticeBufferEntryCount / 2 / words
    let end = NodeID.min(NodeID(nodeCount), first + max(room, 1))
    let record = layout.epochRecord(local.epoch.loadRelaxed() - 1)
    ensureRoom(0, count: (end - first) * words)
    for peer in first..<end where hasEpoch(peer) {
      var batch = fabric.open(peer, lane: 0)
      read(
        &batch, record.head(wordCount: words), of: peer, into: noticeBuffer.address((peer - first) * words))
      fabric.submit(batch, w.flight)
    }
    try wait(w.flight)
    return end
  }

  @inlinable
  func applyEpoch(
    of peer: NodeID, slot: Int, _ log: inout LogWriter, _ w: Workspace<E.W>
  ) throws(EngineError) {
    let words = epochHeadWordCount
    let head = slot * words
    let inHead = words - EpochRecord.headWordCount
    let count = try epochCount(noticeBuffer[head + EpochRecord.countIndex].loadRelaxed(), of: peer)
    for index in 0..<min(count, inHead) {
      let raw = noticeBuffer[head + EpochRecord.headWordCount + index].loadRelaxed()
      try applyEpochEntry(WriteNotice(raw: raw), of: peer, &log, w)
    }
    // The rest, in pieces that fit behind the heads.
    var done = inHead
    let record = layout.epochRecord(local.epoch.loadRelaxed() - 1)
    let room = layout.noticeBufferEntryCount - layout.noticeBufferEntryCount / 2
    let base = layout.noticeBufferEntryCount / 2
    while done < count {
      let piece = min(count - done, room)
      ensureRoom(base, count: piece)
      var batch = fabric.open(peer, lane: 0)
      read(&batch, record.entries(from: done, count: piece), of: peer, into: noticeBuffer.address(base))
      try complete(batch, w)
      for index in 0..<piece {
        let raw = noticeBuffer[base + index].loadRelaxed()
        try applyEpochEntry(WriteNotice(raw: raw), of: peer, &log, w)
      }
      done += piece
    }
  }

  @inlinable
  func applyEpochEntry(
    _ notice: WriteNotice, of peer: NodeID, _ log: inout LogWriter, _ w: Workspace<E.W>
  ) throws(EngineError) {
    try checkEpoch(notice, of: peer)
    for page in notice.pages.by(notice.unitPages) {
      tally(page, unitPages: notice.unitPages, of: peer, atHome: notice.atHome)
    }
    guard peer != node, local.mergedClock[peer] > local.applied(peer).load() else { return }
    add(.noticesReceived)
    try invalidate(notice.pages, &log, w)
  }
}
