import Coherence
import Fabric
import SimulatedFabric

/// What the threads of a run share outside the simulated memory: the plan, the oracle, and everything with
/// which they would talk to each other by other means.
final class Program {
  let run: RunShape
  let plan: Plan
  let cluster: SimulatedCluster
  let oracle: Oracle
  let scheduler: Scheduler
  var lockClocks: [VectorClock]
  var tokens: [Token]
  var atomics: [[AtomicHistory]]
  /// By phase: what happened before the barrier that ends it.
  var barrierClocks: [VectorClock]
  /// By phase and leader barrier.
  var leaderClocks: [[VectorClock]]
  var nodes: [NodeBarrier]
  /// By segment: nodes that have detached it.
  var detached: [Int]
  /// By segment: where its pages stand in the ring of freed ranges, once they do.
  var retired: [UInt64?]
  /// By segment: the thread that lives in it again before everybody does.
  var pioneers: [Int?]
  var isRetiring = false
  var restingCount = 0
  var restGeneration = 0
  var nextUnique: UInt64 = 1
  /// Up to which phase atomics are settled.
  var settledPhases = 0

  /// The right to use the bytes of its discipline, handed from thread to thread outside the simulated memory.
  struct Token {
    var holder: Int
    /// On its way to its holder, who has yet to take it.
    var isOnItsWay = false
    var crossesNodes = false
    var clock = VectorClock()
    /// A thread that waits for it on a slot of its node, by the slot's name.
    var waiter: (thread: Int, slot: SlotName)?
  }

  /// Where the threads of a node meet before and after the barrier of all nodes.
  struct NodeBarrier {
    var arrived = 0
    var generation = 0
  }

  init(_ run: RunShape, _ plan: Plan, _ cluster: SimulatedCluster, _ random: inout Random) {
    self.run = run
    self.plan = plan
    self.cluster = cluster
    scheduler = cluster.scheduler
    let threadCount = run.threadsOfNode.reduce(0, +)
    oracle = Oracle(
      threadCount: threadCount, nodeCount: run.configuration.nodeCount,
      byteCount: run.configuration.capacityByteCount)
    lockClocks = Array(repeating: VectorClock(), count: run.lockCount)
    tokens = (0..<run.tokenCount).map { _ in Token(holder: random.below(threadCount)) }
    atomics = plan.words.map { $0.masks.map { _ in AtomicHistory() } }
    barrierClocks = Array(repeating: VectorClock(), count: run.phaseCount)
    leaderClocks = plan.leaderBarriers.map { Array(repeating: VectorClock(), count: $0) }
    nodes = Array(repeating: NodeBarrier(), count: run.configuration.nodeCount)
    detached = Array(repeating: 0, count: plan.segments.count)
    retired = Array(repeating: nil, count: plan.segments.count)
    pioneers = Array(repeating: nil, count: plan.segments.count)
    scheduler.death = run.death
    cluster.network.inspectFrameWrite = { [unowned oracle] in
      oracle.inspectWrite(from: $0.number, to: $1.number, $2, $3)
    }
    for node in cluster.nodes { define(segmentsOf: 0, on: node) }
  }

  func start(_ random: inout Random) {
    var index = 0
    for node in cluster.nodes {
      for local in 0..<run.threadsOfNode[node.id] {
        let worker = Worker(self, thread: index, node: node, numberInNode: local, random.fork())
        scheduler.spawn("thread \(index) of node \(node.id)", node: node.id) { worker.main() }
        index += 1
      }
    }
  }

  func node(ofThread thread: Int) -> Int {
    var left = thread
    for (node, count) in run.threadsOfNode.enumerated() {
      if left < count { return node }
      left -= count
    }
    return -1
  }

  /// Makes the segments that begin to live in `phase` known on a node.
  func define(segmentsOf phase: Int, on node: SimulatedNode) {
    for (index, segment) in plan.segments.enumerated() {
      if phase == 0 && segment.isLive(0) || phase > 0 && phase == segment.rebirth {
        if phase > 0, !isReusable(index, on: node) {
          scheduler.fail(
            "Segment \(index), retired three barriers ago, cannot be used again on node \(node.id).")
        }
        _ = node.engine.pages.define(segment.shape(phase))
      }
    }
  }

  /// Whether the segment's addresses may be used again, as this node knows.
  func isReusable(_ segment: Int, on node: SimulatedNode) -> Bool {
    retired[segment].map { node.engine.isReusable($0) } ?? false
  }

  /// After the barrier that ends `phase` all its atomics are over: their last values are what plain loads
  /// find.
  func settleAtomics(_ phase: Int) {
    guard settledPhases == phase else { return }
    settledPhases += 1
    for word in plan.atomicWords[phase] {
      let address = plan.words[word].address
      var bytes: UInt64 = 0
      for byte in 0..<8 { bytes |= UInt64(oracle.value(address + byte)) << UInt64(8 * byte) }
      for (index, mask) in plan.words[word].masks.enumerated() {
        let shift = UInt64(mask.trailingZeroBitCount)
        let (value, complaint) = atomics[word][index].settle(from: (bytes & mask) >> shift)
        if let complaint {
          scheduler.fail("Atomics on byte \(address), mask \(String(mask, radix: 16)): \(complaint)")
        }
        bytes = bytes & ~mask | (value << shift) & mask
      }
      for byte in 0..<8 {
        oracle.settle(address + byte, UInt8(truncatingIfNeeded: bytes >> UInt64(8 * byte)))
      }
    }
  }

  /// The segment's bytes are nobody's any more; in their next life they are zero.
  func forget(_ segment: Int) {
    let shape = plan.segments[segment].shape
    for address in run.configuration.bytes(of: shape.pages) {
      oracle.settle(address, 0)
    }
  }
}
