import Fabric
import Platform

// A lock that nobody else wants, where the fabric maps its home into this process: the record is changed by
// instructions, and nothing is taken that a signal handler of the program could meet (a workspace, the gate,
// the commit lock, a connection). So no signal is blocked. Whoever finds it otherwise stands in the queue
// (`QueueLock.swift`), or releases in a round (`Release.swift`).

/// What came of a look at a lock's record.
@frozen
@usableFromInline
enum TakenInPlace: BitwiseCopyable {
  /// It is reached by operations only.
  case unreachable
  /// Somebody has it.
  case no
  /// It was free, and is this node's. What was released with it is applied here already, or its clock is in
  /// the slot.
  case yes(isApplied: Bool)
}

extension Engine {
  /// Takes the lock for this node if it is free.
  @inlinable
  func takeInPlace(_ id: Int, _ slot: Int) -> TakenInPlace {
    let (home, record) = lockRecord(id)
    guard let mapped = controlMapping(of: home) else { return .unreachable }
    ensureTaken(slot)
    let mine = layout.lockSlot(slot)
    clear(mine)
    execution.interleave(#line)
    // A full barrier: the slot's words are clear before anybody finds its name; and pairs with the one in
    // `leaveInPlace`, behind which the clock is there.
    let tail = word(record.tail, in: mapped)
    guard tail.compareExchange(SlotName.none.raw, slotName(slot).raw) else { return .no }
    let released = clock(record.clock, in: mapped)
    if !isBehind(released) { return .yes(isApplied: true) }
    let place = clock(mine.clock)
    for peer in configuration.nodes { place[peer] = released[peer] }
    return .yes(isApplied: false)
  }

  /// Leaves the lock free where this node has nothing to release; nil where it has, or where the record is
  /// reached by operations only; false where somebody stands in the queue behind this node, and is to be
  /// told.
  @inlinable
  func leaveInPlace(_ id: Int, _ slot: Int) throws(EngineError) -> Bool? {
    let (home, record) = lockRecord(id)
    guard let mapped = controlMapping(of: home), try skipRelease() else { return nil }
    let left = clock(record.clock, in: mapped)
    for peer in configuration.nodes {
      // As whoever acquires later may learn all that this node knows. Only what has changed: the line is
      // shared.
      let known = peer == node ? logHead.load() : local.applied(peer).load()
      if left[peer] != known { left[peer] = known }
    }
    execution.interleave(#line)
    // A full barrier: the clock before the free tail.
    let tail = word(record.tail, in: mapped)
    return tail.compareExchange(slotName(slot).raw, SlotName.none.raw)
  }

  /// Whether a release would place nothing and note nothing: every write of this node before the call is
  /// placed and noted.
  ///
  /// In this order. The fence first, since nothing else drains the stores of this thread. Then the lists, and
  /// behind them the commit lock: a round that took pages off a list before this looked has the lock until
  /// they are placed and noted. (An invalidation leaves dirty pages on the list. A pinned page is on it again
  /// before its snapshot.)
  @inlinable
  var hasNothingToRelease: Bool {
    fullFence()
    if isOn(.commitLockLookedAtFirst), local.commitLock.load() != 0 { return false }
    execution.interleave(#line)
    if !pages.dirty.isIdle { return false }
    execution.interleave(#line)
    if !isOn(.skipIgnoresMarks), isAnyExclusiveFetched { return false }
    execution.interleave(#line)
    // Acquire: pairs with the store that gave it back.
    return isOn(.commitLockLookedAtFirst) || isOn(.skipIgnoresRounds) || local.commitLock.load() == 0
  }

  /// Whether somebody may have fetched an exclusive page since its last notice.
  @inlinable
  var isAnyExclusiveFetched: Bool {
    var parts = local.exclusiveParts.load()
    while parts != 0 {
      for index in local.exclusiveGroupParts.lowest(parts) {
        var groups = local.exclusiveGroupWord(index).load()
        while groups != 0 {
          let first = Block((index << 6 | groups.trailingZeroBitCount) * ControlLayout.groupBlockCount)
          groups &= groups - 1
          for offset in 0..<ControlLayout.groupBlockCount / 8
          where own(layout.blockMarks).eight(from: first + offset * 8).load() != 0 {
            return true
          }
        }
      }
      parts &= parts - 1
    }
    return false
  }
}
