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
    let place = engine.stateWords(ofLock: id)
    words = try engine.readControl(place.node, place.offset, count: 7)
    if words.removeLast() != handle {
      try engine.releaseLock(id)
      throw .invalidObject
    }
    try checkQueue()
  }

  /// Stores the words and gives the lock back.
  func leave() throws(EngineError) {
    let place = engine.stateWords(ofLock: id)
    try engine.writeControl(place.node, place.offset, words)
    try engine.releaseLock(id)
  }

  var hasWaiters: Bool { words[Self.first] != 0 }

  /// Puts a new waiter at the end of the queue. Where all slots are in use it throws, with the lock given
  /// back.
  mutating func enqueue(mode: UInt64) throws(EngineError) -> (slot: Int, name: UInt64) {
    let waiter: (slot: Int, name: UInt64)
    do throws(EngineError) {
      waiter = try engine.takeWaitSlot()
    } catch {
      // Nothing has changed; the object stays usable.
      try engine.releaseLock(id)
      throw error
    }
    let place = engine.slotLocation(waiter.name, word: 2)
    try engine.writeControl(place.node, place.offset, [mode])
    if words[Self.last] == 0 {
      words[Self.first] = waiter.name
    } else {
      let end = engine.slotLocation(words[Self.last], word: 0)
      try engine.writeControl(end.node, end.offset, [waiter.name])
    }
    words[Self.last] = waiter.name
    return waiter
  }

  func next(of name: UInt64) throws(EngineError) -> UInt64 {
    let place = engine.slotLocation(name, word: 0)
    return try checked(try engine.readControl(place.node, place.offset, count: 1)[0], at: place.node)
  }

  func firstMode() throws(EngineError) -> UInt64 {
    let place = engine.slotLocation(words[Self.first], word: 2)
    return try engine.readControl(place.node, place.offset, count: 1)[0]
  }

  /// Takes the first waiter out of the queue; 0 where nobody waits.
  mutating func dequeue() throws(EngineError) -> UInt64 {
    let name = words[Self.first]
    if name == 0 { return 0 }
    try step()
    // Read before the grant: afterwards the slot is its owner's again.
    words[Self.first] = try next(of: name)
    if words[Self.first] == 0 { words[Self.last] = 0 }
    return name
  }

  /// Takes a waiter that gives up out of the queue. False where it is not in it any more: granted.
  mutating func remove(_ name: UInt64) throws(EngineError) -> Bool {
    var before: UInt64 = 0
    var current = words[Self.first]
    while current != 0 && current != name {
      before = current
      try step()
      current = try next(of: current)
    }
    if current == 0 { return false }
    let following = try next(of: name)
    if before == 0 {
      words[Self.first] = following
    } else {
      let place = engine.slotLocation(before, word: 0)
      try engine.writeControl(place.node, place.offset, [following])
    }
    if words[Self.last] == name { words[Self.last] = before }
    return true
  }

  /// Lets waiters go. What this node wrote before is visible to them.
  func grant(_ names: [UInt64]) throws(EngineError) {
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
