import Fabric
import Platform
import Synchronization
import Verbs

/// Owns what a node's `VerbsFabric` stands on: the device's context, the completion queue, the connections,
/// the registered memory. Joining goes: make it; tell everybody `invitation`; `connect`; tell everybody
/// `keys`; `fabric`. So a peer learns the keys only when it is connected, and it is connected only if it has
/// the job's secret.
///
/// One thread makes it and connects; afterwards `registerChunk` and `deregisterChunk` may be called from
/// any. `close` when nobody uses the fabric any more.
public final class VerbsEndpoint: @unchecked Sendable {
  let node: NodeID
  let nodeCount: Int
  let settings: VerbsSettings
  let memory: NodeMemory
  let context: Context
  let domain: ProtectionDomain
  let queue: CompletionQueue
  private let confusesAnswers: Bool
  /// What each queue pair holds.
  let capacity: QueuePairCapacity
  // Changed while joining and in `close` only, by one thread.
  private var wiring: any Wiring
  private var control: MemoryRegion?
  private var table: FabricTable?
  let chunks = Mutex<[Chunk: ChunkRegion]>([:])

  /// Opens the device, registers the control memory, and gets ready to be connected to.
  ///
  /// - Parameters:
  ///   - choice: the device and port.
  ///   - byAddress: whether connections are made by librdmacm; the same on all nodes.
  ///   - secret: the job's, which shows that a peer belongs to it.
  public init(
    _ choice: PortChoice, _ settings: VerbsSettings, byAddress: Bool, memory: NodeMemory, node: NodeID,
    nodeCount: Int, secret: (UInt64, UInt64)
  ) throws(VerbsFabricError) {
    self.node = node
    self.nodeCount = nodeCount
    self.settings = settings
    self.memory = memory
    let manager =
      byAddress
      ? try ConnectionManagerWiring(choice, settings, node: node, nodeCount: nodeCount, secret: secret) : nil
    context = manager?.context ?? choice.selection.context
    confusesAnswers = choice.confusesAnswers
    let attributes = choice.selection.attributes
    let length = try QueueLength.fitting(attributes, settings, nodeCount: nodeCount)
    let context = context
    domain = try verbs("use \(choice.name)") { () throws(VerbsError) in try ProtectionDomain(context) }
    queue = try verbs("use \(choice.name)") { () throws(VerbsError) in
      try CompletionQueue(
        context,
        capacity: min(nodeCount * settings.laneCount * length + 64, attributes.maximumCompletionEntries))
    }
    capacity = try QueueLength.granted(domain, queue, length)
    if let manager {
      wiring = manager
    } else {
      wiring = try ExchangeWiring(
        choice, settings, domain: domain, queue: queue, capacity: capacity, node: node, nodeCount: nodeCount)
    }
    let bytes = UnsafeMutableRawBufferPointer(start: memory.control, count: memory.controlByteCount)
    let domain = domain
    control = try verbs("register this node's control memory with \(choice.name)") { () throws(VerbsError) in
      try MemoryRegion(domain, bytes, access: .all)
    }
    table = try FabricTable(
      nodeCount: nodeCount, connectionCount: nodeCount * settings.laneCount,
      chunkCount: memory.framesByteCount / memory.chunkByteCount, queueLength: length,
      inlineByteCount: capacity.inlineByteCount)
  }

  /// What all nodes have to know to connect to this one.
  public var invitation: [UInt8] { wiring.invitation }

  /// Connects to all nodes, this one included; returns when all connections are up. All nodes call it.
  ///
  /// - Parameter invitations: every node's, in node order.
  /// - Returns: for the log, what was remarkable: connections that were refused.
  public func connect(
    _ invitations: [[UInt8]], timeoutMilliseconds: Int
  ) throws(VerbsFabricError) -> [String] {
    guard invitations.count == nodeCount else {
      throw .refused("could not connect: \(invitations.count) invitations for \(nodeCount) nodes.")
    }
    return try wiring.connect(
      invitations, domain: domain, queue: queue, capacity: capacity, timeoutMilliseconds: timeoutMilliseconds)
  }

  /// Where this node's memory is and which key admits to its control memory: to be told to the connected
  /// nodes only.
  public var keys: [UInt8] {
    MemoryAnnouncement.bytes(
      controlAddress: UInt64(UInt(bitPattern: memory.control)),
      framesAddress: UInt64(UInt(bitPattern: memory.frames)), controlKey: controlKeys.remote)
  }

  private var controlKeys: (local: UInt32, remote: UInt32) {
    switch control {
    case .some(let region): (region.localKey, region.remoteKey)
    case .none: (0, 0)
    }
  }

  /// The fabric over the connections.
  ///
  /// - Parameter keys: every node's, in node order.
  public func fabric(_ keys: [[UInt8]]) throws(VerbsFabricError) -> VerbsFabric {
    guard let table else { throw .refused("could not use the fabric: its endpoint is closed.") }
    let pairs = wiring.pairs
    guard pairs.count == nodeCount * settings.laneCount, keys.count == nodeCount else {
      throw .refused("could not use the fabric: \(pairs.count) connections are up, and not all.")
    }
    for (peer, bytes) in zip(NodeRange(0, count: nodeCount), keys) {
      let announced = try MemoryAnnouncement(
        bytes, of: peer, controlByteCount: memory.controlByteCount, framesByteCount: memory.framesByteCount)
      let control = RemoteAddress(address: announced.controlAddress, key: announced.controlKey)
      table.peer(peer).set(control: control, framesAddress: announced.framesAddress)
    }
    for (number, pair) in pairs.enumerated() { table.setPair(pair, connection: number) }
    return VerbsFabric(
      FabricParts(
        node: node, nodeCount: nodeCount, laneCount: settings.laneCount,
        inlineLimit: capacity.inlineByteCount, table: table, queue: queue.raw,
        controlKey: controlKeys.local, atomicsAwaitWrites: confusesAnswers),
      memory: memory, owner: self)
  }

  /// What the connections are like, for the log.
  public func connectionSummary() -> String {
    guard let pair = wiring.pairs.first, let attributes = try? pair.attributes() else { return "" }
    return
      "path MTU \(attributes.pathMTU), \(attributes.readsAsInitiator) READs and atomics in flight a "
      + "connection, \(capacity.sendRequests) requests queued, up to \(capacity.inlineByteCount) bytes inline"
  }

  /// Readable when `takeEvents` has something.
  public var eventDescriptors: [Int32] { [context.asyncDescriptor] }

  /// What happened to the device since the last call, a sentence each; where it failed, everything in flight
  /// fails. Never blocks; one thread at a time, and none while `close` runs.
  public func takeEvents() -> [String] {
    var sentences: [String] = []
    while let event = try? context.nextAsyncEvent(timeoutMilliseconds: 0) {
      // Requests that were in flight are not reported any more, and who polls would wait for ever.
      if event.kind == .deviceFatal || event.kind == .completionQueueError { table?.deviceFailure.store(1) }
      sentences.append("the device \(context.deviceName) reports: \(event)")
    }
    return sentences
  }

  /// The job is over: nothing waits inside the fabric's calls any more for another node's device, which may
  /// be gone and which this one may ask for ever (rxe does with a retry count of 7). Posts to other nodes are
  /// refused from now on. By the thread that takes the events, after it is known who was lost.
  public func giveUpConnections() {
    for number in 0..<nodeCount * settings.laneCount where number / settings.laneCount != node.number {
      _ = table?.connection(number).fail(Refusal.noAnswer)
    }
  }

  /// Ends the connections and the registrations. Nobody uses the fabric now or later.
  public func close() {
    wiring.close()
    chunks.withLock { $0.removeAll() }
    control = nil
    table?.unmap()
    table = nil
  }

  deinit { close() }
}

/// How the queue pairs get connected.
protocol Wiring: AnyObject {
  var invitation: [UInt8] { get }
  /// By connection number, peer times lanes plus lane; once connected, until `close`.
  var pairs: [RawQueuePair] { get }
  func connect(
    _ invitations: [[UInt8]], domain: ProtectionDomain, queue: CompletionQueue, capacity: QueuePairCapacity,
    timeoutMilliseconds: Int
  ) throws(VerbsFabricError) -> [String]
  func close()
}
