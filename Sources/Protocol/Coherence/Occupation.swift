import Platform

/// What a thread of this node is in the middle of: a reason not to leave the job now.
public enum Occupation: Sendable, Equatable {
  /// In the barrier of all nodes.
  case barrier
  /// Waits for a lock, or for another thread's grant.
  case waiting
  /// Holds the lock `id`.
  case holding(id: Int, thread: UInt32)
}

extension Engine {
  /// What some thread of this node is in the middle of; `nil` where there is none. A look, not a lock: a
  /// thread that begins with something meanwhile may go unnoticed.
  ///
  /// - Parameter countsLocks: whether a lock that is held is a reason, too.
  public func occupation(countsLocks: Bool) -> Occupation? {
    if local.barrierBusy.load() != 0 { return .barrier }
    if local.waiting.load() != 0 { return .waiting }
    guard countsLocks, slotsInUse > 0 else { return nil }
    // A lock that this node has takes a slot: no need to look at all locks, of which most were never used.
    for slot in 0..<configuration.allSlotCount where isTaken(slot) {
      let id = Int(truncatingIfNeeded: local.slotLocks[slot].loadRelaxed())
      let owner = localLock(id).owner.loadRelaxed()
      if owner != 0 { return .holding(id: id, thread: UInt32(truncatingIfNeeded: owner)) }
    }
    // On its way into a lock or out of one.
    return .waiting
  }

  /// This node does not leave the job before `endWaiting`.
  @inlinable
  public func beginWaiting() { local.waiting.fetchAdd(1) }

  @inlinable
  public func endWaiting() {
    let before = local.waiting.fetchAdd(~0)
    ensure(before != 0, .waitingCounted)
  }
}
