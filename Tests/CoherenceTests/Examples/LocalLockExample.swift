import Fabric
import Platform
import Testing

@testable import Coherence

/// Threads of one node pass a lock among themselves: no message, no release, the hardware keeps them
/// coherent. After so many times another node gets it (docs/protocol.md, section 6).
@Suite(.timeLimit(.minutes(1))) struct LocalLockExample {
  /// Three threads of node 0 want the lock, and one of node 1. Who got it, in order.
  private func holders(_ pair: HostPair) throws -> [Int] {
    let (first, other) = (pair.engines[0], pair.engines[1])
    var order: [Int] = []
    func hold(_ engine: Engine<HostPair.Setting>) throws(EngineError) {
      try engine.acquireLock(0)
      order.append(engine.node.number)
      // The first holder keeps it until all others wait: two in the node, one in the queue between nodes.
      engine.wait { first.localLock(0).nextTicket.load() >= 3 && other.count(.lockRemoteWaits) == 1 }
      try engine.releaseLock(0)
    }
    func holdLater(_ engine: Engine<HostPair.Setting>) throws(EngineError) {
      engine.wait { !order.isEmpty }
      try hold(engine)
    }
    try pair.atOnce([(0, hold), (0, holdLater), (0, holdLater), (1, holdLater)])
    return order
  }

  @Test func threadsOfTheNodeComeFirst() throws {
    let pair = try HostPair()
    #expect(try holders(pair) == [0, 0, 0, 1])
    // Three holders, one release: the one before node 1's turn.
    #expect(pair.engines[0].count(.lockLocalHandOvers) == 2 && pair.engines[0].count(.releases) == 1)
  }

  @Test func butNotForEver() throws {
    let pair = try HostPair { $0.localPassLimit = 1 }
    #expect(try holders(pair) == [0, 0, 1, 0])
    #expect(pair.engines[0].count(.lockLocalHandOvers) == 1 && pair.engines[0].count(.releases) == 2)
  }
}
