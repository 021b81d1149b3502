import Fabric
import Platform

// Waiting for another thread's grant, for the synchronisation objects built above the locks. A waiter
// waits on a slot in its own memory; whoever grants WRITEs its clock and then the flag there, as at a
// hand-over of a lock.

extension Engine {
  /// A slot to wait on, and the name by which others grant it. One of the program's: `.slotsExhausted`.
  @inlinable
  public func takeWaitSlot() throws(EngineError) -> (slot: Int, name: SlotName) {
    let slot = try takeSlot()
    clear(layout.lockSlot(slot))
    return (slot, slotName(slot))
  }

  @inlinable
  public func giveBackWaitSlot(_ slot: Int) { giveBackSlot(slot) }

  /// The slot `name`, which the layer above keeps a queue of, at its node.
  @inlinable
  public func waitSlot(_ name: SlotName) -> (node: NodeID, slot: LockSlot) {
    (name.node, layout.lockSlot(name.slot))
  }

  /// Waits for the grant.
  @inlinable
  public func awaitGrant(_ slot: Int) throws(EngineError) {
    beginWaiting()
    defer { endWaiting() }
    var backoff = Backoff()
    while !(try pollGrant(slot, &backoff, beforeLimit: nil)) {}
  }

  /// A few steps of the wait for the grant, so that the caller can look at other things in between; false
  /// where it has not come yet. The caller counts as waiting meanwhile (`beginWaiting`).
  ///
  /// - Parameter remaining: nanoseconds until the end of a wait that has one.
  @inlinable
  public func pollGrant(
    _ slot: Int, _ backoff: inout Backoff, beforeLimit remaining: UInt64?
  ) throws(EngineError) -> Bool {
    try checkPeers()
    ensureTaken(slot)
    let granted = own(layout.lockSlot(slot).granted)
    for _ in 0..<(remaining == nil ? 4 : 1) {
      // Acquire: pairs with the granter's WRITE of the flag behind its clock.
      if granted.load() != 0 { break }
      try checkPeers()
      if let remaining { pause(&backoff, beforeLimit: remaining) } else { execution.pause(&backoff) }
    }
    let word = granted.load()
    if word != 0 { try checkGrant(word) }
    return word != 0
  }

  @inlinable
  public func isGranted(_ slot: Int) -> Bool { own(layout.lockSlot(slot).granted).load() != 0 }

  /// After a grant: what the granter had released is visible here when this returns.
  @inlinable
  public func acquireGranted(_ slot: Int) throws(EngineError) {
    try acquire(clock(layout.lockSlot(slot).clock))
  }

  /// Grants the slot `name`. The caller has called `release` since the writes that it hands over.
  @inlinable
  public func grantWaiter(_ name: SlotName) throws(EngineError) { try grant(name) }

  /// One step of a wait that ends in `remaining` nanoseconds: it does not sleep beyond its end.
  @inlinable
  func pause(_ backoff: inout Backoff, beforeLimit remaining: UInt64) {
    if remaining <= Backoff.longestSleepNanoseconds { backoff = Backoff() }
    execution.pause(&backoff)
  }
}
