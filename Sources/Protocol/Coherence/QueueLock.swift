import Fabric
import Platform

// The lock between nodes: a queue lock in the manner of Mellor-Crummey and Scott (1991), by one-sided
// operations. The record at the lock's home has the tail and the clock of the last release; a node that
// waits does so on a slot in its own memory, and a hand-over is one WRITE latency.
// `LockRecord` and `LockSlot` say who writes what. A slot's words are cleared before its name goes into the
// tail, and the slot is given back only after both WRITEs that it is due have arrived.

extension Engine {
  /// Waits for the lock; first come, first served between nodes. What was released with it before
  /// is visible when this returns.
  ///
  /// Throws `.deadlock` where the calling thread holds it, `.slotsExhausted` where the program's threads of
  /// this node hold or await too many.
  @inlinable
  public func acquireLock(_ id: Int, for use: LockUse = .program) throws(EngineError) {
    beginWaiting()
    defer { endWaiting() }
    try checkPeers()
    let lock = localLock(id)
    try enterLocal(lock)
    try takeGlobally(id, lock, for: use, waiting: true)
    lock.owner.storeRelaxed(UInt64(execution.threadID))
  }

  /// Takes the lock as `acquireLock` does, with a wait slot that the caller has and that is the lock's from
  /// now on: needs no other, so it ends with the lock held whatever the program has taken meanwhile.
  @inlinable
  public func acquireLock(_ id: Int, givingSlot slot: Int) throws(EngineError) {
    beginWaiting()
    defer { endWaiting() }
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
    beginWaiting()
    defer { endWaiting() }
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
  public func lockRecord(_ id: Int) -> (node: NodeID, record: LockRecord) {
    ensure(id >= 0 && id < configuration.lockCount, .lockOfTheJob, id)
    return (NodeID(id % nodeCount), layout.lockRecord(id / nodeCount))
  }

  /// The name of a slot of this node.
  @inlinable
  func slotName(_ slot: Int) -> SlotName { SlotName(node: node, slot: slot) }

  /// Before the slot's name is given to anybody.
  @inlinable
  func clear(_ slot: LockSlot) {
    own(slot.next).store(0)
    own(slot.granted).store(0)
  }

  /// Takes the lock for this node, where it has not got it yet; who calls has entered locally, and has left
  /// again where this throws. The caller counts as waiting until nothing of it is left to do: behind a thread
  /// that is told that a node is lost the memory may go away.
  ///
  /// - Parameter given: a slot that the caller has for it.
  @inlinable
  func takeGlobally(
    _ id: Int, _ lock: LocalLock<E.W>, _ given: Int? = nil, for use: LockUse, waiting: Bool
  ) throws(EngineError) {
    if lock.slot.loadRelaxed() != 0 {
      do throws(EngineError) {
        // Who had it before may have failed to apply what came with it, or have been told of a loss, and left
        // the lock here. That was known before it left (`keep`).
        try checkPeers()
      } catch {
        leaveLocal(lock)
        throw error
      }
      add(.lockAcquires)
      add(.lockLocalHandOvers)
      return
    }
    do throws(EngineError) {
      let slot = if let given { given } else { try takeSlot(id, for: use) }
      local.slotLocks[slot].storeRelaxed(UInt64(id))
      let taken = takeInPlace(id, slot)
      if case .yes(isApplied: true) = taken {
        add(.lockAcquires)
        add(.acquires)
        lock.slot.storeRelaxed(UInt64(slot + 1))
        return
      }
      if case .yes = taken {
      } else {
        guard try takeByQueue(id, slot, waiting: waiting) else { throw .busy }
      }
      add(.lockAcquires)
      lock.slot.storeRelaxed(UInt64(slot + 1))
      // Where this fails the lock is here, but not what was released with it: see above.
      try acquire(clock(layout.lockSlot(slot).clock))
    } catch {
      ensure(local.waiting.loadRelaxed() != 0, .waitingCounted)
      leaveLocal(lock)
      throw error
    }
  }

  /// False where the lock is not free and `waiting` is false. The slot is given back then, and where this
  /// throws.
  @inlinable
  func takeByQueue(_ id: Int, _ slot: Int, waiting: Bool) throws(EngineError) -> Bool {
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
    if predecessor == .none { return true }
    add(.lockRemoteWaits)
    let granted = own(layout.lockSlot(slot).granted)
    var backoff = Backoff()
    // Acquire: pairs with the predecessor's WRITE of the grant behind the clock.
    while granted.load() == 0 {
      try checkPeers()
      execution.pause(&backoff)
    }
    try checkGrant(granted.load())
    return true
  }

  /// Makes the tail name this node's slot. Returns what it named before: nobody where the lock was free,
  /// and then the clock is in the slot; `nil` where it was not and `waiting` is false. The
  /// predecessor has been told.
  @inlinable
  func swapTail(_ id: Int, _ slot: Int, waiting: Bool) throws(EngineError) -> SlotName? {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    ensureTaken(slot)
    let mine = layout.lockSlot(slot)
    clear(mine)
    let (home, record) = lockRecord(id)
    var expected = SlotName.none
    while true {
      var batch = fabric.open(home, lane: 0)
      compareAndSwap(
        &batch, record.tail, of: home, expected: expected.raw, desired: slotName(slot).raw,
        old: w.result(0))
      // Only the READ behind the compare-and-swap that found the lock free counts.
      if expected == .none {
        read(&batch, record.clock.span, of: home, into: clock(mine.clock).base)
      }
      try complete(batch, w)
      let before = SlotName(raw: w.resultValue(0))
      if before == expected { break }
      if !(before == .none) { try check(name: before, as: .lockTail, at: home) }
      if !waiting { return nil }
      expected = before
    }
    if !(expected == .none) { try tellPredecessor(expected, slot, w) }
    return expected
  }

  @inlinable
  func tellPredecessor(_ name: SlotName, _ slot: Int, _ w: Workspace<E.W>) throws(EngineError) {
    w.outgoing.storeRelaxed(slotName(slot).raw)
    var batch = fabric.open(name.node, lane: 0)
    write(
      &batch, from: w.outgoing.address, to: layout.lockSlot(name.slot).next.writable, of: name.node)
    try complete(batch, w)
  }
}
