import Coherence
import SimulatedFabric

/// Runs random data-race-free programs on simulated clusters, one for each seed, and checks every load
/// against a sequential oracle. One object for one thread of the system; it keeps stacks and memory from run
/// to run.
public final class Simulation {
  private let stacks = StackPool()
  private let arena = Arena()
  /// What all runs of this object did, to see that the programs reach what they are meant to reach.
  public private(set) var counts: [Counter: UInt64] = [:]
  /// Scheduling points of all runs.
  public private(set) var steps = 0

  public init() {}

  /// The run that `seed` names. Throws what went wrong. `trace` gets its whole history, line by line.
  public func run(seed: UInt64, trace: ((String) -> Void)? = nil) throws(SimulationFailure) {
    var random = Random(seed: seed)
    let run = RunShape(&random)
    let plan = Plan(run, &random)
    let cluster = SimulatedCluster(
      seed: random.next(), configuration: run.configuration, network: run.network, viewLimits: run.viewLimits,
      counters: run.counters,
      disturbEverySteps: run.disturbEverySteps, arena: arena, stacks: stacks)
    if let trace {
      trace("seed \(seed): \(run)")
      cluster.scheduler.trace = trace
      cluster.scheduler.observe = PageWatcher(cluster).look
    }
    let program = Program(run, plan, cluster, &random)
    program.start(&random)
    do {
      try cluster.scheduler.run()
    } catch {
      throw SimulationFailure("\(error.description)\nseed \(seed): \(run)")
    }
    try finalCheck(program, seed)
    steps += cluster.scheduler.steps
    for counter in Counter.allCases {
      for node in cluster.nodes { counts[counter, default: 0] += node.engine.count(counter) }
    }
  }

  /// Everybody has ended: the homes hold what the oracle says.
  private func finalCheck(_ program: Program, _ seed: UInt64) throws(SimulationFailure) {
    if program.scheduler.deadNode >= 0 { return }
    program.checkInvariants()
    if let failure = program.scheduler.failure {
      throw SimulationFailure("\(failure)\nseed \(seed): \(program.run)")
    }
  }
}

/// In a traced run: says how the words of pages change.
final class PageWatcher {
  private unowned let cluster: SimulatedCluster
  private var last: [[UInt64]]

  init(_ cluster: SimulatedCluster) {
    self.cluster = cluster
    last = cluster.nodes.map { _ in Array(repeating: 0, count: cluster.configuration.pageCount) }
  }

  func look() {
    for node in cluster.nodes {
      for page in 0..<cluster.configuration.pageCount {
        let word = node.engine.pages.load(Page(page))
        if word.raw == last[node.id][page] { continue }
        last[node.id][page] = word.raw
        cluster.scheduler.log("  node \(node.id) page \(page): \(describe(word))")
      }
    }
  }

  private func describe(_ word: PageWord) -> String {
    var text = "\(word.state), home \(word.home)"
    if word.isLocked { text += ", locked" }
    if word.isPoisoned { text += ", poisoned" }
    if word.wasWritten { text += ", was written" }
    if word.isNoticed { text += ", noticed" }
    if word.isPinned { text += ", pinned" }
    if word.hasAtomics { text += ", has atomics" }
    return text
  }
}
