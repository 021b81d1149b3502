import Fabric
import Platform

// The lock between nodes: a queue lock in the manner of Mellor-Crummey and Scott (1991), by one-sided
// operations. The record at the lock's home has the tail and the clock of the last release; a node that
// waits does so on a slot in its own memory, and a hand-over is one WRITE latency.
//
// Record: word 0 tail (changed by the fabric's atomics only), word 7 info, then the clock.
// Slot: word 0 `next`, WRITTEN by the successor; word 1 `granted`, WRITTEN by the predecessor behind
// the clock; word 7 and clock as READ with the record. Words 0 and 1 are cleared before the slot's name goes into
// the tail, and the slot is given back only after both WRITEs that it is due have arrived.

extension Engine {
  /// Waits for the lock; first come, first served between nodes. What was released with it before
  /// is visible when this returns.
  ///
  /// Throws `.deadlock` where the calling thread holds it, `.slotsExhausted` where the program's threads of this node hold
  /// or await too many.
  @inlinable
  public func acquireLock(_ id: Int, for use: LockUse = .program) throws(EngineError) {
    try checkPeers()
    let lock = localLock(id)
    try enterLocal(lock)
    try takeGlobally(id, lock, for: use, waiting: true)
    lock.owner.storeRelaxed(UInt64(execution.threadID))
  }

  /// Takes the lock as `acquireLock` does, with a wait slot that the caller has and that is the lock's from now on: needs
  /// no other, so it ends with the lock held whatever the program has taken meanwhile.
  @inlinable
  public func acquireLock(_ id: Int, givingSlot slot: Int) throws(EngineError) {
    let lock = localLock(id)
    do throws(EngineError) {
      try enterLocal(lock)
    } catch {
      giveBackSlot(slot)
      throw error
    }
    // Handed over within this node: it has one already.
    if lock.slot.loadRelaxed() != 0 { giveBackSlot(slot) }
    try takeGlobally(id, lock, slot, for: .program, waiting: true)
    lock.owner.storeRelaxed(UInt64(execution.threadID))
  }

  /// Takes the lock if it is free, else throws `.busy`. Never enqueues, so it never breaks the queue.
  @inlinable
  public func tryAcquireLock(_ id: Int, for use: LockUse = .program) throws(EngineError) {
    try checkPeers()
    let lock = localLock(id)
    guard tryEnterLocal(lock) else { throw .busy }
    try takeGlobally(id, lock, for: use, waiting: false)
    lock.owner.storeRelaxed(UInt64(execution.threadID))
  }

  /// Tries until the time is over, then throws `.busy`. Not first come, first served.
  @inlinable
  public func acquireLock(_ id: Int, withinNanoseconds limit: UInt64) throws(EngineError) {
    if localLock(id).owner.loadRelaxed() == UInt64(execution.threadID) { throw .deadlock }
    beginWaiting()
    defer { endWaiting() }
    let start = execution.nowNanoseconds()
    var backoff = Backoff()
    while true {
      do throws(EngineError) {
        try tryAcquireLock(id)
        return
      } catch .busy {
        let passed = execution.nowNanoseconds() &- start
        if passed >= limit { throw .busy }
        pause(&backoff, beforeLimit: limit - passed)
      } catch {
        throw error
      }
    }
  }

  /// Whether the calling thread holds the lock.
  @inlinable
  public func holdsLock(_ id: Int) -> Bool {
    localLock(id).owner.loadRelaxed() == UInt64(execution.threadID)
  }

  @inlinable
  func lockRecord(_ id: Int) -> (node: NodeID, offset: Int) {
    (id % nodeCount, layout.lockRecords + id / nodeCount * layout.lockRecordByteCount)
  }

  @inlinable
  func slotOffset(_ slot: Int) -> Int { layout.lockSlots + slot * layout.lockSlotByteCount }

  @inlinable
  func slotWord(_ slot: Int, _ word: Int) -> AtomicWord {
    AtomicWord(control + slotOffset(slot) + word * 8)
  }

  /// What the tail and `next` name: a node and one of its slots; never 0.
  @inlinable
  func slotName(_ slot: Int) -> UInt64 { UInt64(node + 1) << 32 | UInt64(UInt32(slot)) }

  /// Takes the lock for this node, where it has not got it yet; who calls has entered locally, and has left again where
  /// this throws. Counts as waiting until nothing of it is left to do: behind a thread that is told that a node is lost
  /// the memory may go away.
  ///
  /// - Parameter given: a slot that the caller has for it.
  @inlinable
  func takeGlobally(
    _ id: Int, _ lock: LocalLock, _ given: Int? = nil, for use: LockUse, waiting: Bool
  ) throws(EngineError) {
    add(.lockAcquires)
    if lock.slot.loadRelaxed() != 0 {
      do throws(EngineError) {
        // Who had it before may have failed to apply what came with it, or have been told of a loss, and left the lock here.
        // That was known before it left (`keep`).
        try checkPeers()
      } catch {
        leaveLocal(lock)
        throw error
      }
      add(.lockLocalHandOvers)
      return
    }
    beginWaiting()
    defer { endWaiting() }
    do throws(EngineError) {
      let slot = if let given { given } else { try takeSlot(id, for: use) }
      guard try takeGlobally(id, slot: slot, waiting: waiting) else { throw .busy }
      lock.slot.storeRelaxed(UInt64(slot + 1))
      // Where this fails the lock is here, but not what was released with it: see above.
      try acquire(control + slotOffset(slot) + 64)
    } catch {
      leaveLocal(lock)
      throw error
    }
  }

  /// False where the lock is not free and `waiting` is false. The slot is given back then, and where this throws.
  @inlinable
  func takeGlobally(_ id: Int, slot: Int, waiting: Bool) throws(EngineError) -> Bool {
    do throws(EngineError) {
      if try enqueue(id, slot, waiting: waiting) { return true }
    } catch {
      giveBackSlot(slot)
      throw error
    }
    giveBackSlot(slot)
    return false
  }

  /// Puts this node at the end of the queue and waits for the grant. Not `waiting`: only where the
  /// queue is empty; false where it is not.
  @inlinable
  func enqueue(_ id: Int, _ slot: Int, waiting: Bool) throws(EngineError) -> Bool {
    let predecessor = try swapTail(id, slot, waiting: waiting)
    guard let predecessor else { return false }
    if predecessor == 0 { return true }
    add(.lockRemoteWaits)
    let granted = slotWord(slot, 1)
    var backoff = Backoff()
    // Acquire: pairs with the predecessor's WRITE of the grant behind the clock.
    while granted.load() == 0 {
      try checkPeers()
      execution.pause(&backoff)
    }
    try checkGrant(granted.load())
    return true
  }

  /// Makes the tail name this node's slot. Returns what it named before: 0 where the lock was free,
  /// and then the clock is in the slot; `nil` where it was not and `waiting` is false. The
  /// predecessor has been told.
  @inlinable
  func swapTail(_ id: Int, _ slot: Int, waiting: Bool) throws(EngineError) -> UInt64? {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    slotWord(slot, 0).store(0)
    slotWord(slot, 1).store(0)
    let record = lockRecord(id)
    var expected: UInt64 = 0
    while true {
      var batch = fabric.open(record.node, lane: 0)
      fabric.compareAndSwap(
        &batch, at: remote(record.node, record.offset), expected: expected, desired: slotName(slot),
        old: w.result(0))
      // Only the READ behind the compare-and-swap that found the lock free counts.
      if expected == 0 {
        fabric.read(
          &batch, from: remote(record.node, record.offset + 56),
          into: control + slotOffset(slot) + 56, byteCount: 8 + configuration.clockByteCount)
      }
      fabric.submit(batch, w.flight)
      try wait(w.flight)
      let before = w.resultValue(0)
      if before == expected { break }
      if before != 0 { try check(name: before, as: .lockTail, at: record.node) }
      if !waiting { return nil }
      expected = before
    }
    if expected != 0 { try tellPredecessor(expected, slot, w) }
    return expected
  }

  @inlinable
  func tellPredecessor(_ name: UInt64, _ slot: Int, _ w: Workspace) throws(EngineError) {
    let peer = Int(name >> 32) - 1
    w.outgoing.storeBytes(of: slotName(slot), as: UInt64.self)
    var batch = fabric.open(peer, lane: 0)
    fabric.write(
      &batch, from: w.outgoing, byteCount: 8,
      to: remote(peer, slotOffset(Int(name & 0xFFFF_FFFF))))
    fabric.submit(batch, w.flight)
    try wait(w.flight)
  }
}
