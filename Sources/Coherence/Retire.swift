import CPlatform
import Fabric
import Platform

// Freed pages. Their last user enters the range in a ring at node 0. At the next barrier every node
// learns of it and forgets them: words, hints, directory words, marks, keys, frames. At the barrier
// after that all nodes have forgotten, and the addresses may be used again.

extension Engine {
  /// Enters pages that no view shows any more; the diffs of whoever detached are placed. The caller
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
    let slot = Int(position) % ControlLayout.retireEntryCount
    w.result(1).storeBytes(of: UInt64(range.lowerBound) << 28 | UInt64(range.count), as: UInt64.self)
    w.result(2).storeBytes(of: position + 1, as: UInt64.self)
    batch = fabric.open(0, lane: 0)
    fabric.write(&batch, from: w.result(1), byteCount: 8, to: remote(0, layout.retireRing + slot * 8))
    fabric.write(&batch, from: w.result(2), byteCount: 8, to: remote(0, layout.retireHead))
    // A READ behind them: the caller's lock passes on only after the ring is written.
    fabric.read(&batch, from: remote(0, layout.retireHead), into: w.result(3), byteCount: 8)
    fabric.submit(batch, w.flight)
    try wait(w.flight)
    return position
  }

  /// Whether the range retired at `position` has been forgotten by all nodes.
  @inlinable
  public func isReusable(_ position: UInt64) -> Bool { position < local.retireReusable.load() }

  /// The barrier's part. Everybody is in the barrier and nobody has a view of these pages.
  @inlinable
  func reset(upTo head: UInt64) throws(EngineError) {
    let done = local.retireApplied.load()
    try checkFreed(head, since: done)
    // What was forgotten in earlier barriers has been forgotten by all: they are in this one.
    local.retireReusable.store(done)
    if head == done { return }
    for position in done..<head {
      let packed = try readRetired(position)
      let first = Int(packed >> 28)
      try checkFreed(page: first, count: Int(packed & 0xFFF_FFFF), raw: packed)
      if !isOn(.freeWithoutReset) { forget(first..<first + Int(packed & 0xFFF_FFFF)) }
    }
    local.retireApplied.store(head)
  }

  @inlinable
  func readRetired(_ position: UInt64) throws(EngineError) -> UInt64 {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    let slot = Int(position) % ControlLayout.retireEntryCount
    var batch = fabric.open(0, lane: 0)
    fabric.read(&batch, from: remote(0, layout.retireRing + slot * 8), into: w.result(0), byteCount: 8)
    fabric.submit(batch, w.flight)
    try wait(w.flight)
    return w.resultValue(0)
  }

  /// Nobody uses these pages: plain stores, also to the directory words, which otherwise only the
  /// fabric's atomics change.
  @inlinable
  func forget(_ range: Range<Int>) {
    // A node whose thread detached behind its seal noted these pages in the epoch that ends at the next
    // barrier. Counted as noticed by two nodes then, they do not move: nobody knows a home for them any more.
    // Nodes that use the pages again do so behind the next barrier.
    let noticedByMany = (local.epoch.loadRelaxed() + 1) << 32 | 0xFFFF
    for page in range {
      pages.word(page).store(0)
      pages.epochStamp(page).pointee = 0
      pages.noticer(page).pointee = noticedByMany
      pages.pinCount(page).pointee = 0
      mark(page).store(0)
      let shard = directoryWord(page)
      if shard.node == node { AtomicWord(control + shard.offset).store(0) }
    }
    for chunk in range.lowerBound
      >> configuration.chunkShift..<(range.upperBound + configuration.chunkPageCount - 1)
      >> configuration.chunkShift
    {
      if ownKey(chunk).load() != 0 {
        ownKey(chunk).store(0)
        fabric.deregisterChunk(chunk)
      }
      for peer in 0..<nodeCount { local.peerKey(peer, chunk).pointee = 0 }
      AtomicWord(local.chunkRequests + chunk * 8).store(0)
    }
    protection.discardFrames(range)
    // Chunks are whole pages of the system, except in the simulator.
    if configuration.pageShift >= 12 {
      cplatform_discard_private(pages.twin(range.lowerBound), range.count << configuration.pageShift)
    }
    pages.forget(range)
  }
}
