import Coherence
import Node

/// The state of a synchronisation object under its lock: six words at the record's home, of which the
/// last two are the ends of a queue of waiters, first come, first served.
///
/// A waiter waits on a slot in its own node's memory. Its mode is in the slot's word 2, the next waiter's
/// name in word 0. Whoever lets a waiter go has released before, and hands its clock over with the grant.
struct Monitor {
  let engine: NodeEngine
  let id: Int
  let handle: UInt64
  /// Valid while the lock is held.
  var words: [UInt64] = []
  /// Waiters looked at under this hold of the lock.
  var steps = 0

  static let first = 4
  static let last = 5

  init(_ engine: NodeEngine, _ id: Int, handle: UInt64) {
    self.engine = engine
    self.id = id
    self.handle = handle
  }

  /// Takes the lock and reads the words. Throws `.invalidObject` where the object has been destroyed since
  /// its handle was looked up: destroying takes this lock, so under it the info word tells for sure. (A
  /// thread that went on would wait in a queue that nobody serves any more.)
  mutating func enter() throws(EngineError) {
    try engine.acquireLock(id, for: .moment)
    let (home, record) = engine.lockRecord(id)
    words = try engine.readControl(home, record.state)
    if words.removeLast() != handle {
      try engine.releaseLock(id)
      throw .invalidObject
    }
    try checkQueue()
  }

  /// Stores the words and gives the lock back.
  func leave() throws(EngineError) {
    let (home, record) = engine.lockRecord(id)
    try engine.writeControl(home, record.state, words)
    try engine.releaseLock(id)
  }

  var hasWaiters: Bool { words[Self.first] != 0 }
  private var first: SlotName { SlotName(raw: words[Self.first]) }
  private var last: SlotName { SlotName(raw: words[Self.last]) }

  /// Puts a new waiter at the end of the queue. Where all slots are in use it throws, with the lock given
  /// back.
  mutating func enqueue(mode: UInt64) throws(EngineError) -> (slot: Int, name: SlotName) {
    let waiter: (slot: Int, name: SlotName)
    do throws(EngineError) {
      waiter = try engine.takeWaitSlot()
    } catch {
      // Nothing has changed; the object stays usable.
      try engine.releaseLock(id)
      throw error
    }
    let place = engine.waitSlot(waiter.name)
    try engine.writeControl(place.node, place.slot.mode, [mode])
    if last == .none {
      words[Self.first] = waiter.name.raw
    } else {
      try setNext(of: last, waiter.name)
    }
    words[Self.last] = waiter.name.raw
    return waiter
  }

  func next(of name: SlotName) throws(EngineError) -> SlotName {
    let place = engine.waitSlot(name)
    return try checked(try engine.readControl(place.node, place.slot.next), at: place.node)
  }

  func setNext(of name: SlotName, _ next: SlotName) throws(EngineError) {
    let place = engine.waitSlot(name)
    try engine.writeControl(place.node, place.slot.next.writable, [next.raw])
  }

  func firstMode() throws(EngineError) -> UInt64 {
    let place = engine.waitSlot(first)
    return try engine.readControl(place.node, place.slot.mode)[0]
  }

  /// Takes the first waiter out of the queue; nobody where nobody waits.
  mutating func dequeue() throws(EngineError) -> SlotName {
    let name = first
    if name == .none { return .none }
    try step()
    // Read before the grant: afterwards the slot is its owner's again.
    words[Self.first] = try next(of: name).raw
    if words[Self.first] == 0 { words[Self.last] = 0 }
    return name
  }

  /// Takes a waiter that gives up out of the queue. False where it is not in it any more: granted.
  mutating func remove(_ name: SlotName) throws(EngineError) -> Bool {
    var before = SlotName.none
    var current = first
    while current != .none && current != name {
      before = current
      try step()
      current = try next(of: current)
    }
    if current == .none { return false }
    let following = try next(of: name)
    if before == .none {
      words[Self.first] = following.raw
    } else {
      try setNext(of: before, following)
    }
    if last == name { words[Self.last] = before.raw }
    return true
  }

  /// Lets waiters go. What this node wrote before is visible to them.
  func grant(_ names: [SlotName]) throws(EngineError) {
    if names.isEmpty { return }
    try engine.release()
    for name in names { try engine.grantWaiter(name) }
  }

  /// Waits on `slot` until granted, then sees what the granter saw.
  func await(_ slot: Int) throws(EngineError) {
    try engine.awaitGrant(slot)
    try engine.acquireGranted(slot)
    engine.giveBackWaitSlot(slot)
  }
}
