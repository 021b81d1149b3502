import Fabric
import Platform
import Testing

@testable import Coherence

/// Nodes stand in a queue for a lock, each waiting for a word in its own memory; who releases grants it to
/// the next one, with the clock of what it knows (docs/protocol.md, section 6).
@Suite(.timeLimit(.minutes(1))) struct QueueLockExample {
  @Test func nodesGetTheLockInTheirOrderAndSeeWhatWasWrittenUnderIt() throws {
    let nodes = try HostPair(nodeCount: 3)
    var order: [Int] = []
    func count(_ engine: Engine<HostPair.Setting>) throws(EngineError) {
      let node = engine.node
      // In the queue: node 1 behind node 0, node 2 behind node 1.
      engine.wait { node == 0 || (node == 1 ? order == [0] : nodes.engines[1].count(.lockRemoteWaits) == 1) }
      try engine.acquireLock(0)
      order.append(node.number)
      engine.wait { nodes.engines[2].count(.lockRemoteWaits) == 1 }
      // A counter, in a page that each node has a copy of from before.
      let value = try nodes.read(node, page: 5)
      try nodes.write(node, page: 5, value + 1)
      try engine.releaseLock(0)
    }
    try nodes.write(0, page: 5, 10)
    try nodes.barrier()
    for node in NodeRange(0, count: 3) { #expect(try nodes.read(node, page: 5) == 10) }
    try nodes.atOnce((0..<3).map { ($0, count) })
    #expect(order == [0, 1, 2])
    #expect(try nodes.read(2, page: 5) == 13)
    // A node that finds the lock free READs the clock from the lock's record.
    try nodes.engines[0].acquireLock(0)
    #expect(try nodes.read(0, page: 5) == 13)
  }
}
