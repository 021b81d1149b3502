import Coherence
import Fabric
import Glibc
import SimulatedFabric

/// Zeroed memory for one run after another, so that a run costs no system calls. For one thread of the
/// system and one run at a time.
public final class Arena {
  private var block: UnsafeMutableRawPointer
  private var capacity: Int
  private var used = 0

  public init() {
    capacity = 4 << 20
    block = .allocate(byteCount: capacity, alignment: 4096)
  }

  deinit { block.deallocate() }

  /// Forgets everything that was taken and makes room for `byteCount`.
  func reset(_ byteCount: Int) {
    if byteCount > capacity {
      block.deallocate()
      capacity = byteCount
      block = .allocate(byteCount: capacity, alignment: 4096)
    }
    used = 0
  }

  func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let start = block + used
    used += Self.rounded(byteCount)
    precondition(used <= capacity, "the arena was reset for less")
    memset(start, 0, byteCount)
    return start
  }

  static func rounded(_ byteCount: Int) -> Int { (byteCount + 4095) & ~4095 }
}

/// N engines in one process, on a simulated fabric, with a service thread each.
public final class SimulatedCluster {
  public let scheduler: Scheduler
  public let network: Network
  public let configuration: Configuration
  public let layout: ControlLayout
  public private(set) var nodes: [SimulatedNode] = []
  /// Holds the nodes' memory.
  private let arena: Arena

  /// `disturbEverySteps`: how often on average a node lowers some protection by itself; 0 for never.
  public init(
    seed: UInt64, configuration c: Configuration, network shape: NetworkShape,
    viewLimits: [Access] = [.readWrite], counters: CounterStart = CounterStart(),
    disturbEverySteps: Int = 0, arena: Arena = Arena(), stacks: StackPool? = nil
  ) {
    scheduler = Scheduler(seed: seed, pool: stacks)
    self.arena = arena
    configuration = c
    let layout = ControlLayout(c)
    self.layout = layout
    let localBytes = SimulatedEngine.localByteCount(c)
    let each =
      Arena.rounded(layout.byteCount) + Arena.rounded(c.capacityByteCount) + Arena.rounded(localBytes)
    arena.reset(each * c.nodeCount)
    let memories = (0..<c.nodeCount).map { _ in
      NodeMemory(
        control: arena.take(layout.byteCount), controlByteCount: layout.byteCount,
        frames: arena.take(c.capacityByteCount), framesByteCount: c.capacityByteCount,
        chunkByteCount: c.chunkPageCount << c.pageShift)
    }
    network = Network(shape, scheduler: scheduler, memories: memories)
    let (scheduler, network) = (scheduler, network)
    nodes = memories.indices.map { id in
      let node = SimulatedNode(
        id, network: network, scheduler: scheduler, memory: memories[id], configuration: c,
        viewLimits: viewLimits)
      node.start(c, layout, arena.take(localBytes))
      node.engine.startCounters(at: counters)
      return node
    }
    for node in nodes { spawnService(node) }
    if disturbEverySteps > 0 { disturb(every: disturbEverySteps) }
  }

  private func spawnService(_ node: SimulatedNode) {
    scheduler.spawn("service of node \(node.id)", node: node.id, daemon: true) {
      [unowned scheduler, unowned node] in
      scheduler.note("service")
      while !scheduler.isStopping {
        if node.engine.serveChunkRequests() { scheduler.point() } else { scheduler.pause() }
      }
    }
  }

  private func disturb(every steps: Int) {
    scheduler.disturb = { [unowned self] in
      if scheduler.random.below(steps) == 0 { nodes[scheduler.random.below(nodes.count)].disturb() }
    }
  }
}
