import Platform

// The slots on which this node's threads wait for locks and for grants, in its control memory. Each is one of
// three kinds, so that what the library does for itself never finds that the program has taken them all:
//
// - *The program's*, `lockSlotCount`: a lock that the program holds or awaits has one, and so has each thread
//   that waits for an object's grant. Where none is left the call fails, before it has changed anything.
// - *Moments'*: for the lock of an object (reader-writer lock, event, condition, barrier) whose words are
//   being changed. Where none is left the thread waits for one. That wait ends: who has one stands in the
//   queue of its one lock, or holds it and waits for the fabric alone. So the locks' queues go on as they
//   would with any number of slots, and none of those before it in a queue needs another one.
// - *The library's own*: one for each of its locks (the table of segments, the heap, ...). The threads of a
//   node settle among themselves who stands in a lock's queue, so a lock never has two slots of one node, and
//   its own is always free.

/// What a lock is taken for, and so which slots it may have.
@frozen
public enum LockUse: UInt8, BitwiseCopyable, Sendable {
  /// By the program, for as long as it likes.
  case program
  /// By the library, to change an object's words: whoever holds it takes no other lock and waits for no
  /// grant.
  case moment
  /// A lock of the library's own: its number is below `Configuration.libraryLockCount`.
  case library
}

extension Engine {
  /// A slot for lock `id`. Throws `.slotsExhausted` where it is the program's, and all of them are in use.
  @inlinable @inline(__always)
  func takeSlot(_ id: Int, for use: LockUse) throws(EngineError) -> Int {
    switch use {
    case .program: return try takeSlot()
    case .moment: return try takeMomentSlot()
    case .library:
      assert(id < Configuration.libraryLockCount, "no lock of the library's own")
      let slot = configuration.lockSlotCount + configuration.momentSlotCount + id
      // Nobody else has it: who takes it is being served in the lock's local queue. Marked for `occupation`.
      slotUse(slot).fetchOr(1 << UInt64(slot & 63))
      return slot
    }
  }

  @inlinable @inline(__always)
  func takeSlot() throws(EngineError) -> Int {
    if isSlotRefused() { throw .slotsExhausted }
    guard let slot = takeSlot(in: 0..<configuration.lockSlotCount) else { throw .slotsExhausted }
    return slot
  }

  @inlinable
  func takeMomentSlot() throws(EngineError) -> Int {
    let first = configuration.lockSlotCount
    var backoff = Backoff()
    while true {
      if let slot = takeSlot(in: first..<first + configuration.momentSlotCount) { return slot }
      try checkPeers()
      execution.pause(&backoff)
    }
  }

  /// The lowest slot of the range that is free; `nil` where none is.
  @inlinable @inline(__always)
  func takeSlot(in range: Range<Int>) -> Int? {
    var slot = range.lowerBound
    while slot < range.upperBound {
      let word = slotUse(slot)
      let used = word.load()
      let free = (slot & ~63) + (~used & ~0 << UInt64(slot & 63)).trailingZeroBitCount
      if free >= range.upperBound { return nil }
      if free >> 6 != slot >> 6 {
        slot = free
      } else if word.compareExchange(used, used | 1 << UInt64(free & 63)) {
        return free
      }
    }
    return nil
  }

  /// The word of a slot's bit.
  @inlinable @inline(__always)
  func slotUse(_ slot: Int) -> SharedWord<E.W> { local.slotUse[slot >> 6] }

  @inlinable
  func giveBackSlot(_ slot: Int) {
    let before = slotUse(slot).fetchAnd(~(1 << UInt64(slot & 63)))
    ensure(before & 1 << UInt64(slot & 63) != 0, .slotTaken, slot)
  }

  @inlinable
  func ensureTaken(_ slot: Int) { ensure(isTaken(slot), .slotTaken, slot) }

  @inlinable
  func isTaken(_ slot: Int) -> Bool { slotUse(slot).load() >> UInt64(slot & 63) & 1 != 0 }

  /// Slots in use, of all kinds.
  public var slotsInUse: Int {
    (0..<(configuration.allSlotCount + 63) / 64).reduce(0) {
      $0 + local.slotUse[$1].load().nonzeroBitCount
    }
  }
}
