import Fabric
import Platform

// What other nodes have written is looked at before it is followed: it becomes an index, an address, or the
// end of a loop here. A node whose memory was overwritten, or which runs other code, must not make this one
// read elsewhere or go on with wrong pages. docs/protocol.md, "What is believed", lists the words and where
// each is looked at.
//
// A check is a comparison or two with sizes that are in registers or one load away. On the fault path: what
// they throw is trivially copyable.

extension Engine {
  /// A notice names whole units within the global address space.
  @inlinable
  func check(_ notice: WriteNotice, as word: PeerWord, of peer: NodeID) throws(EngineError) {
    let (page, count, unitPages) = (notice.page, notice.count, notice.unitPages)
    guard count > 0, page + count <= configuration.endPage, page.isMultiple(of: unitPages),
      count & (unitPages - 1) == 0,
      unitPages <= configuration.chunkPageCount
    else { throw bad(word, of: peer, notice.raw) }
  }

  /// As `check`; and in an epoch buffer, by which all nodes compute the same moves, the unit is that of the
  /// segment.
  @inlinable
  func checkEpoch(_ notice: WriteNotice, of peer: NodeID) throws(EngineError) {
    try check(notice, as: .epochNotice, of: peer)
    // What the last barrier forgot may be noted here yet, by who detached behind its node's seal; and another
    // thread of this node may know the next segment at these addresses already.
    if let shape = pages.shape(of: notice.page), 1 << shape.unitShift != notice.unitPages,
      !wasForgotten(notice.page)
    {
      throw bad(.epochNotice, of: peer, notice.raw)
    }
  }

  /// The entries of an epoch buffer, as its head says.
  @inlinable
  func epochCount(_ word: UInt64, of peer: NodeID) throws(EngineError) -> Int {
    guard word <= UInt64(configuration.epochEntryCount) else { throw bad(.epochCount, of: peer, word) }
    return Int(word)
  }

  /// The position up to which an epoch buffer stands in for the log: no further than the barrier's clock
  /// says.
  @inlinable
  func checkSeal(_ sealed: UInt64, of peer: NodeID) throws(EngineError) {
    if sealed > local.mergedClock[peer] { throw bad(.epochSeal, of: peer, sealed) }
  }

  /// A log's head as READ: never behind what it was, and no more than a barrier's message has room for.
  @inlinable
  func checkHead(_ head: UInt64, of peer: NodeID) throws(EngineError) {
    if head < local.applied(peer).load() || head & ~TaggedWord.mask != 0 {
      throw bad(.logHead, of: peer, head)
    }
  }

  /// A clock's entry for a log whose head, READ after the clock came, is `head`: whoever made the clock had
  /// seen at most that.
  @inlinable
  func check(clockEntry entry: UInt64, of peer: NodeID, head: UInt64) throws(EngineError) {
    if entry > head || entry & ~TaggedWord.mask != 0 { throw bad(.clock, of: peer, entry) }
  }

  /// The home that a directory word names, -1 for none.
  @inlinable
  func home(_ word: UInt64, in shard: NodeID) throws(EngineError) -> NodeID {
    guard word <= UInt64(nodeCount) else { throw bad(.directory, of: shard, word) }
    return NodeID(Int(word) - 1)
  }

  /// A chunk's key, 0 where there is none yet.
  @inlinable
  func key(_ word: UInt64, of peer: NodeID) throws(EngineError) -> UInt32 {
    guard word <= UInt64(UInt32.max) else { throw bad(.chunkKey, of: peer, word) }
    return UInt32(word)
  }

  /// Node 0's count of freed ranges: since `done` of them no more than its ring holds. Twice as many
  /// (`rounds`) outside of a barrier: others may have left one in which this node still is.
  @inlinable
  func checkFreed(_ head: UInt64, since done: UInt64, rounds: Int = 1) throws(EngineError) {
    guard head >= done, head - done <= UInt64(ControlLayout.retireEntryCount * rounds) else {
      throw bad(.freedCount, of: 0, head)
    }
  }

  /// A freed range as node 0's ring has it: pages within the global address space.
  @inlinable
  func freedRange(first: UInt64, count: UInt64) throws(EngineError) -> PageRange {
    let all = UInt64(configuration.pageCount)
    guard first < all else { throw bad(.freedRange, of: 0, first) }
    guard count > 0, count <= all - first else { throw bad(.freedRange, of: 0, count) }
    return PageRange(Page(Int(first)), count: Int(count))
  }

  /// The name of a slot: a node of the job and one of its slots. `peer` is where the word was found.
  @inlinable
  func check(name: SlotName, as word: PeerWord, at peer: NodeID) throws(EngineError) {
    if !isSlot(name) { throw bad(word, of: peer, name.raw) }
  }

  @inlinable
  func isSlot(_ name: SlotName) -> Bool {
    name.node.isOne(of: nodeCount) && name.slot < configuration.allSlotCount
  }

  /// Whether it can be in the queue of an object's waiters: a slot, or 0 for none. For the layer above.
  @inlinable
  public func isWaiter(_ name: SlotName) -> Bool { name == .none || isSlot(name) }

  /// What a granter WRITEs is 1.
  @inlinable
  func checkGrant(_ word: UInt64) throws(EngineError) {
    if word != 1 { throw bad(.grant, of: node, word) }
  }

  /// A word of a message that has not come yet: what is left of one of the last disseminations, or nothing.
  /// Else the message that is waited for has been overwritten, or never comes.
  @inlinable
  func checkOld(_ word: TaggedWord, awaiting number: UInt64) throws(EngineError) {
    let age = (number &- (word.raw >> 48)) & 0xFFFF
    // None is older than six; see `TaggedWord`.
    if word.raw != 0 && age > 16 { throw bad(.barrierMessage, of: node, word.raw) }
  }
}
