import Coherence
import Fabric
import Node

// The state of an object lies in another node's memory, and its queue in the memories of the waiters: what is
// read there is looked at before it is followed. Where it cannot be right the job is over, as behind any word
// that is `bad`.

extension Monitor {
  /// Under the lock, when the words have been read: the queue's ends, both there or neither.
  func checkQueue() throws(EngineError) {
    let home = engine.lockRecord(id).node
    _ = try checked(words[Self.first], at: home)
    _ = try checked(words[Self.last], at: home)
    if (words[Self.first] == 0) != (words[Self.last] == 0) {
      throw engine.bad(.waiter, of: home, words[Self.last])
    }
  }

  /// The name of a waiter that was read at `peer`.
  func checked(_ word: UInt64, at peer: NodeID) throws(EngineError) -> SlotName {
    let name = SlotName(raw: word)
    if !engine.isWaiter(name) { throw engine.bad(.waiter, of: peer, word) }
    return name
  }

  /// Counts waiters: a queue longer than there are slots goes round in a circle.
  mutating func step() throws(EngineError) {
    steps += 1
    if steps > engine.configuration.nodeCount * engine.configuration.allSlotCount {
      throw engine.bad(.waiter, of: engine.lockRecord(id).node, words[Self.first])
    }
  }

  /// Throws where `holds` is not: what word `index` says cannot be.
  func check(_ index: Int, _ holds: Bool) throws(EngineError) {
    if !holds { throw engine.bad(.objectState, of: engine.lockRecord(id).node, words[index]) }
  }
}
