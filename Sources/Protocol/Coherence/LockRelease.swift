import Fabric
import Platform

// Releasing a lock between nodes, and what goes with it: the clock of the release, left in the record for
// whoever finds the lock free, or WRITTEN into the successor's slot.

extension Engine {
  /// Releases the lock: every write of this node before is visible to whoever gets it next.
  ///
  /// Throws `.notOwner` where the calling thread does not hold it. Where it throws anything else the thread
  /// still holds it, so that a second try says the same and not that somebody else has it.
  ///
  /// - Parameter handsOver: whether it may stay at this node, in its slot, for a thread that waits here.
  @inlinable
  public func releaseLock(_ id: Int, handsOver: Bool = true) throws(EngineError) {
    // After a loss a lock that is held keeps nobody here.
    beginWaiting()
    defer { endWaiting() }
    try checkPeers()
    let lock = localLock(id)
    guard lock.owner.loadRelaxed() == UInt64(execution.threadID) else { throw .notOwner }
    let passes = lock.passes.loadRelaxed()
    if handsOver, lock.nextTicket.load() > lock.serving.loadRelaxed() + 1,
      passes < UInt64(configuration.localPassLimit)
    {
      lock.passes.storeRelaxed(passes + 1)
      lock.owner.storeRelaxed(0)
      leaveLocal(lock)
      return
    }
    let slot = Int(lock.slot.loadRelaxed()) - 1
    ensure(slot >= 0 && slot < configuration.allSlotCount, .lockHasSlot, id)
    let isFree = if let quick = try leaveInPlace(id, slot) { quick } else { try releaseAndPassOn(id, slot) }
    if !isFree { try grantSuccessor(of: slot) }
    if isOn(.unlockBeforeFlush) { try release() }
    lock.owner.storeRelaxed(0)
    lock.slot.storeRelaxed(0)
    lock.passes.storeRelaxed(0)
    giveBackSlot(slot)
    leaveLocal(lock)
  }

  /// Releases, and grants the lock to the successor or leaves it free; false where somebody has enqueued and
  /// is not known yet. Signals are blocked once for both: it costs two system calls.
  @inlinable
  func releaseAndPassOn(_ id: Int, _ slot: Int) throws(EngineError) -> Bool {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    if !isOn(.unlockBeforeFlush) { try releaseWithSignalsBlocked() }
    // Acquire: pairs with the successor's WRITE.
    let next = SlotName(raw: own(layout.lockSlot(slot).next).load())
    if next == .none { return try leaveFree(id, slot) }
    try grantWithSignalsBlocked(next)
    return true
  }

  @inlinable
  func grantSuccessor(of slot: Int) throws(EngineError) {
    let next = own(layout.lockSlot(slot).next)
    var backoff = Backoff()
    // Acquire: pairs with the successor's WRITE. It comes: the tail names somebody else.
    while next.load() == 0 {
      try checkPeers()
      execution.pause(&backoff)
    }
    try grant(SlotName(raw: next.load()))
  }

  /// The clock, and behind it on the same connection tail → 0. False where somebody has enqueued.
  @inlinable
  func leaveFree(_ id: Int, _ slot: Int) throws(EngineError) -> Bool {
    let w = takeWorkspace()
    defer { giveBack(w) }
    storeClock(w.clock)
    ensureTaken(slot)
    let (home, record) = lockRecord(id)
    let name = slotName(slot).raw
    var batch = fabric.open(home, lane: 0)
    write(&batch, from: w.clock.base, to: record.clock.writable, of: home)
    compareAndSwap(&batch, record.tail, of: home, expected: name, desired: 0, old: w.result(0))
    try complete(batch, w)
    return w.resultValue(0) == name
  }

  @inlinable
  func grant(_ name: SlotName) throws(EngineError) {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    try grantWithSignalsBlocked(name)
  }

  @inlinable
  func grantWithSignalsBlocked(_ name: SlotName) throws(EngineError) {
    try check(name: name, as: .successor, at: node)
    let w = takeWorkspace()
    defer { giveBack(w) }
    storeClock(w.clock)
    let slot = layout.lockSlot(name.slot)
    var batch = fabric.open(name.node, lane: 0)
    write(&batch, from: w.clock.base, to: slot.clock.writable, of: name.node)
    write(&batch, from: w.one.address, to: slot.granted.writable, of: name.node)
    try complete(batch, w)
  }

  /// What this node knows: the notices that it has applied, and its own.
  @inlinable
  func storeClock(_ clock: Clock<E.W>) {
    for peer in configuration.nodes {
      execution.interleave(#line)
      clock[peer] = peer == node ? logHead.load() : local.applied(peer).load()
    }
  }
}
