import Fabric
import Platform

/// What a run's network is like.
public struct NetworkShape: Sendable {
  public var nodeCount: Int
  public var laneCount: Int
  /// WRITEs up to this many bytes are copied when they are posted.
  public var inlineLimit: Int
  /// Whether operations have ended when they are submitted, and control memory is reached by instructions,
  /// too: as where nodes map each other's memory.
  public var isMapped = false
  /// Whether chunks can be registered at once, or only by the service thread.
  public var registersInPlace: Bool

  public init(nodeCount: Int, laneCount: Int = 1, inlineLimit: Int = 64, registersInPlace: Bool = true) {
    self.nodeCount = nodeCount
    self.laneCount = laneCount
    self.inlineLimit = inlineLimit
    self.registersInPlace = registersInPlace
  }
}

/// The connections between the nodes of a simulated cluster. Every rule of `Fabric` that its users have to
/// keep is checked, and everything that it allows to happen does happen sooner or later:
///
/// - Operations of one connection are executed in order; between connections in any order.
/// - A WRITE's source is read some time after the post (longer than the inline limit), it completes for its
///   poster some time after that, and it is placed at the target before or after its completion, but before
///   any later READ or atomic of its connection is executed.
/// - A READ that has been executed and not completed may be executed again, its answer being lost, and with
///   it the READs behind it: it may see WRITEs and atomics that were posted later.
/// - Transfers are torn and arrive in any order of their pieces; the words of those that are aligned words in
///   control memory stay whole.
/// - Atomics read and write in two steps. Other atomics of the same target keep out; stores and WRITEs do
///   not.
/// - A completion is seen when some thread of the node polls.
public final class Network {
  public let shape: NetworkShape
  unowned let scheduler: Scheduler
  let ends: [NodeEnd]
  let connections: UnsafeMutablePointer<Connection>
  let connectionCount: Int
  let active: UnsafeMutablePointer<Int>
  var activeCount = 0
  /// Sum of the weights of the active connections.
  var activeWeight = 0
  /// In this phase: of 8 choices between completing and placing, how many complete first.
  var completesFirst = 4
  /// In this phase: of 64 steps that could, how many lose an answer.
  var losesAnswers = 0
  /// Looks at each WRITE into frames: source, target, global byte address, the bytes. A sentence is a
  /// failure of the run.
  public var inspectFrameWrite: ((NodeID, NodeID, Int, UnsafeRawBufferPointer) -> String?)?
  /// Operations posted so far.
  public internal(set) var operationCount = 0

  /// `memories`: one for each node, alive and zeroed for as long as the run lasts.
  public init(_ shape: NetworkShape, scheduler: Scheduler, memories: [NodeMemory]) {
    self.shape = shape
    self.scheduler = scheduler
    precondition(memories.count == shape.nodeCount, "a memory for each node")
    ends = memories.map {
      NodeEnd(memory: $0, controlKey: UInt32(truncatingIfNeeded: scheduler.random.next()) | 1)
    }
    connectionCount = shape.nodeCount * shape.nodeCount * shape.laneCount
    connections = .allocate(capacity: connectionCount)
    active = .allocate(capacity: connectionCount)
    for index in 0..<connectionCount {
      let pair = index / shape.laneCount
      (connections + index).initialize(
        to: Connection(source: NodeID(pair / shape.nodeCount), target: NodeID(pair % shape.nodeCount)))
    }
    scheduler.network = self
  }

  deinit {
    for index in 0..<connectionCount { connections[index].destroy() }
    connections.deallocate()
    active.deallocate()
  }

  /// Whether operations wait for anything but a poll.
  public var hasWork: Bool { activeCount > 0 }

  /// The fabric as `node` sees it. Valid for as long as this network.
  public func fabric(of node: NodeID) -> SimulatedFabric {
    SimulatedFabric(node: node, memory: end(of: node).memory, network: Unmanaged.passUnretained(self))
  }

  func connection(_ source: NodeID, _ target: NodeID, _ lane: Lane) -> Int {
    (source.number * shape.nodeCount + target.number) * shape.laneCount + lane.number
  }

  func end(of node: NodeID) -> NodeEnd { ends[node.number] }

  func name(_ connection: Int) -> String {
    "\(connections[connection].source)->\(connections[connection].target)/\(connection % shape.laneCount)"
  }

  // MARK: Whose turn it is

  func beginPhase(_ random: inout Random) {
    let common = random.pick([1, 4, 16, 64])
    let evenly = random.chance(1, in: 3)
    completesFirst = random.pick([0, 4, 8])
    losesAnswers = random.pick([0, 0, 4, 24])
    activeWeight = 0
    for index in 0..<connectionCount {
      connections[index].priority = random.below(1 << 20)
      connections[index].weight = (evenly ? 1 : random.pick([0, 1, 4, 4, 16])) * common * 64
      if connections[index].activePosition >= 0 { activeWeight += connections[index].weight }
    }
  }

  func activate(_ connection: Int) {
    guard connections[connection].activePosition < 0 else { return }
    connections[connection].activePosition = activeCount
    active[activeCount] = connection
    activeCount += 1
    activeWeight += connections[connection].weight
  }

  func deactivate(_ connection: Int) {
    let position = connections[connection].activePosition
    activeCount -= 1
    active[position] = active[activeCount]
    connections[active[position]].activePosition = position
    connections[connection].activePosition = -1
    activeWeight -= connections[connection].weight
  }

  func activeConnection(at position: Int) -> Int { active[position] }

  func activeConnection(atWeight weight: Int) -> Int {
    var left = weight
    for position in 0..<activeCount {
      left -= connections[active[position]].weight
      if left < 0 { return active[position] }
    }
    return active[activeCount - 1]
  }

  func activeConnection(above priority: Int) -> Int? {
    var best: Int?
    var bestPriority = priority
    for position in 0..<activeCount where connections[active[position]].priority > bestPriority {
      best = active[position]
      bestPriority = connections[active[position]].priority
    }
    return best
  }

  func setPriority(_ priority: Int, connection: Int) { connections[connection].priority = priority }

  /// A line for each connection that has something on its way.
  func whereabouts() -> [String] {
    (0..<connectionCount).compactMap { index in
      let each = connections[index]
      if each.postingThread >= 0, each.submitted == each.posted, each.completed == each.posted {
        return "  connection \(name(index)) is held by thread \(scheduler.names[each.postingThread])"
      }
      guard each.completed < each.posted || each.executed < each.posted else { return nil }
      let next = min(each.completed, each.executed)
      return
        "  connection \(name(index)): \(each.posted) posted, \(each.submitted) submitted, \(each.executed) "
        + "executed, \(each.completed) completed; next \(each[next].pointee)"
    }
  }
}

/// One direction of a pair of nodes in one lane: a queue of operations and how far each of its stages has
/// got. Indices only grow; `completed` and `executed` are at most `captured`, and that at most `submitted`.
struct Connection {
  let source: NodeID
  let target: NodeID
  private var slots: UnsafeMutablePointer<Operation>
  private var mask: Int
  /// Operations gathered so far, the open batch's included.
  var posted = 0
  /// Eligible.
  var submitted = 0
  /// Past the point where the poster's part is done: WRITEs whose source was read, others executed.
  var captured = 0
  /// Placed at the target, or answered.
  var executed = 0
  /// Completed for the poster.
  var completed = 0
  /// Who gathers a batch; the connection's posting lock. -1 for nobody.
  var postingThread = -1
  var weight = 0
  var priority = 0
  var activePosition = -1

  init(source: NodeID, target: NodeID) {
    self.source = source
    self.target = target
    mask = 15
    slots = .allocate(capacity: 16)
  }

  /// The slot of an operation between `min(executed, completed)` and `posted`.
  subscript(index: Int) -> UnsafeMutablePointer<Operation> { slots + (index & mask) }

  mutating func append(_ operation: Operation) {
    let first = min(executed, completed)
    if posted - first > mask {
      let wider = UnsafeMutablePointer<Operation>.allocate(capacity: 2 * mask + 2)
      for index in first..<posted { (wider + (index & (2 * mask + 1))).initialize(to: self[index].pointee) }
      slots.deallocate()
      slots = wider
      mask = 2 * mask + 1
    }
    self[posted].initialize(to: operation)
    posted += 1
  }

  func destroy() {
    for index in executed..<posted { self[index].pointee.payload?.deallocate() }
    slots.deallocate()
  }
}
