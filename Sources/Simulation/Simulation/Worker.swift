import Coherence
import Fabric
import Platform
import SimulatedFabric

/// An application thread of a run: random operations within what the plan allows, and the barriers.
final class Worker {
  let program: Program
  let thread: Int
  let node: SimulatedNode
  /// Among the threads of its node; 0 is the leader.
  let numberInNode: Int
  var isLeader: Bool { numberInNode == 0 }
  var random: Random
  var phase = 0
  /// Barriers of the leaders passed in this phase.
  var turn = 0
  var pins: [Pin] = []
  /// Of 8 accesses where both are allowed, how many are stores.
  let stores: Int
  /// The lock that it likes best; one it likes more than the others in half of the runs.
  let favouriteLock: Int
  /// Steps that it rests between operations, at most.
  let idleness: Int
  var scheduler: Scheduler { program.scheduler }
  var engine: SimulatedEngine { node.engine }
  var oracle: Oracle { program.oracle }
  var plan: Plan { program.plan }

  struct Pin {
    let pages: PageRange
    let access: Access
    let view: ViewID
  }

  init(_ program: Program, thread: Int, node: SimulatedNode, numberInNode: Int, _ random: Random) {
    self.program = program
    self.thread = thread
    self.node = node
    self.numberInNode = numberInNode
    self.random = random
    let isVisitor = program.run.hasBusyHome && node.id != 0
    stores = isVisitor ? 1 : self.random.pick([1, 4, 4, 7])
    idleness =
      isVisitor
      ? self.random.pick([100, 400, 1500])
      : program.run.hasBusyHome
        ? 0 : self.random.pick(program.run.hasFreeing ? [0, 60, 200, 600] : [0, 0, 0, 200, 2000])
    favouriteLock = self.random.below(2 * program.run.lockCount)
  }

  func main() {
    do {
      if isLeader { try offerPlacements() }
      for phase in 0..<program.run.phaseCount {
        self.phase = phase
        try work()
        try unpin(keepingSome: phase + 1 < program.run.phaseCount)
        try fullBarrier()
        if plan.isQuietAfter[phase] { try rest() }
      }
      try readEverything()
      scheduler.note("its end")
    } catch {
      if case .fabric = error, scheduler.deadNode >= 0 {
        return scheduler.note("the end of a job that lost a node")
      }
      scheduler.fail("Thread \(thread) got the error \(error).")
    }
  }

  /// A step of a wait for other threads outside the engine.
  func pause() throws(EngineError) {
    let lost = scheduler.lostPeer
    if lost >= 0 { throw .fabric(FabricFailure(reason: .peerLost, peer: lost)) }
    scheduler.pause()
  }

  private func offerPlacements() throws(EngineError) {
    for segment in plan.segments where segment.isLive(phase) {
      scheduler.note("offering placement")
      try engine.offerPlacement(segment.shape(phase))
    }
  }

  private func work() throws(EngineError) {
    turn = 0
    var leaving = plan.segments.indices.filter {
      plan.segments[$0].death == phase && plan.segments[$0].detachers[node.id] == numberInNode
    }
    if isLeader, phase > 0, random.chance(1, in: 2) { try offerPlacements() }
    for barrier in 0...(isLeader ? plan.leaderBarriers[phase] : 0) {
      // Where leaders wait for each other in barriers, the others have enough to do meanwhile.
      let isLong = program.run.hasFreeing && !isLeader && plan.leaderBarriers[phase] > 0
      for _ in 0..<random.within(0...program.run.operationLimit) * (isLong ? 4 : 1) {
        if let segment = leaving.last, random.chance(1, in: 3) {
          try leave(segment)
          leaving.removeLast()
        }
        try operate()
        if program.run.hasFreeing, random.chance(1, in: 4) { try useResidence() }
        if program.run.hasFreeing, random.chance(1, in: 4) { try settleEarly() }
        if idleness > 0 { scheduler.sleep(steps: random.below(idleness)) }
      }
      guard isLeader, barrier < plan.leaderBarriers[phase] else { continue }
      // Mostly before the last of them, so that the others of the node go on while it forgets.
      if barrier + 1 == plan.leaderBarriers[phase], random.chance(7, in: 8) {
        while let segment = leaving.popLast() { try leave(segment) }
      }
      try leaderBarrier()
    }
    for segment in leaving { try leave(segment) }
  }

  // MARK: Barriers

  /// All threads of all nodes: the last to arrive on each node goes to the barrier of the nodes.
  private func fullBarrier() throws(EngineError) {
    oracle.publish(thread, into: &program.barrierClocks[phase])
    let generation = program.nodes[node.id].generation
    program.nodes[node.id].arrived += 1
    if program.nodes[node.id].arrived == program.run.threadsOfNode[node.id] {
      program.nodes[node.id].arrived = 0
      scheduler.note("barrier", phase)
      try engine.barrier()
      program.settleAtomics(phase)
      program.checkForgotten(in: phase + 1, on: node)
      if phase + 1 < program.run.phaseCount { program.define(segmentsOf: phase + 1, on: node) }
      program.nodes[node.id].generation += 1
    } else {
      scheduler.note("wait for its node at barrier", phase)
      while program.nodes[node.id].generation == generation { try pause() }
    }
    oracle.join(thread, program.barrierClocks[phase])
  }

  /// One thread of each node; the others go on meanwhile.
  private func leaderBarrier() throws(EngineError) {
    oracle.publish(thread, into: &program.leaderClocks[phase][turn])
    scheduler.note("barrier of the leaders", phase, turn)
    try engine.barrier()
    oracle.join(thread, program.leaderClocks[phase][turn])
    turn += 1
  }

  /// Everybody waits while the last to come checks the invariants.
  private func rest() throws(EngineError) {
    let generation = program.restGeneration
    program.restingCount += 1
    scheduler.note("rest after phase", phase)
    if program.restingCount == program.run.threadsOfNode.reduce(0, +) {
      program.restingCount = 0
      program.checkInvariants()
      program.restGeneration += 1
    }
    while program.restGeneration == generation { try pause() }
  }

  // MARK: The end

  /// After the last barrier every node sees every byte as the last write left it.
  private func readEverything() throws(EngineError) {
    guard isLeader || random.chance(1, in: 4) else { return }
    let last = program.run.phaseCount - 1
    scheduler.note("reading everything")
    for cell in plan.cells where plan.segments[cell.segment].isLive(last) { try load(cell.address) }
    for segment in plan.segments where segment.isLive(last) {
      let shape = segment.shape(last)
      let c = program.run.configuration
      for page in shape.firstPage..<shape.firstPage + min(shape.pageCount, 4) {
        try load(c.byteOffset(of: page) + random.below(c.pageByteCount))
      }
    }
  }
}
