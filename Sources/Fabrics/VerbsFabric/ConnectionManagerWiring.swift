import Fabric
import Glibc
import Verbs

/// Connections by librdmacm: every node listens at its port's address; each connects to the nodes before it
/// and to itself. The private data of a request carry the job's secret; without it a request is rejected, and
/// nothing is told to whoever made it.
final class ConnectionManagerWiring: Wiring {
  let settings: VerbsSettings
  let node: NodeID
  let nodeCount: Int
  let context: Context
  private let devices: ConnectionManagerDevices
  let channel: EventChannel
  let greeting: Greeting
  let invitation: [UInt8]
  let localAddress: String
  let readsLimit: Int
  private var listener: CommunicationIdentifier?
  /// By connection number: this node's ends.
  var ends: [Connection?]
  /// Everything that is under way or up, the passive ends of the loopback included.
  var connections: [CommunicationIdentifier.ID: Connection] = [:]
  var refusals: [String] = []

  /// An identifier on its way to a connection.
  final class Connection {
    var identifier: CommunicationIdentifier
    let peer: NodeID
    let lane: Lane
    let isActive: Bool
    var isUp = false
    init(_ identifier: consuming CommunicationIdentifier, peer: NodeID, lane: Lane, isActive: Bool) {
      self.identifier = identifier
      self.peer = peer
      self.lane = lane
      self.isActive = isActive
    }
  }

  init(
    _ choice: PortChoice, _ settings: VerbsSettings, node: NodeID, nodeCount: Int, secret: (UInt64, UInt64)
  ) throws(VerbsFabricError) {
    guard let address = choice.address else {
      throw .setting(
        "could not listen on \(choice.name): its port has no IP address; give its interface one (ip addr "
          + "add), or set MERINO_CONNECT=exchange.")
    }
    self.settings = settings
    self.node = node
    self.nodeCount = nodeCount
    localAddress = address
    greeting = Greeting(secret: secret)
    readsLimit = min(
      choice.selection.attributes.maximumReadsAsInitiator, choice.selection.attributes.maximumReadsAsTarget,
      255)
    ends = Array(repeating: nil, count: nodeCount * settings.laneCount)
    devices = try verbs("open the devices") { () throws(VerbsError) in try ConnectionManagerDevices() }
    channel = try verbs("listen at \(address)") { () throws(VerbsError) in try EventChannel() }
    let (channel, backlog) = (channel, max(128, (nodeCount + 1) * settings.laneCount))
    let listening = try verbs("listen at \(address) on \(choice.name)") { () throws(VerbsError) in
      let listening = try CommunicationIdentifier(channel)
      try listening.bind(to: SocketAddress(host: address, port: 0))
      try listening.listen(backlog: backlog)
      return listening
    }
    guard let context = devices.context(of: listening),
      context.deviceName == choice.selection.context.deviceName
    else {
      throw .setting(
        "could not listen on \(choice.name): the address \(address) does not lead to it; set MERINO_ADDRESS "
          + "to an address of its interface, or MERINO_CONNECT=exchange.")
    }
    self.context = context
    let port = try verbs("listen at \(address)") { () throws(VerbsError) in try listening.localAddress().port
    }
    listener = consume listening
    invitation = AddressInvitation.bytes(host: address, port: port)
  }

  var pairs: [RawQueuePair] { ends.compactMap { $0?.identifier.rawQueuePair } }

  func connect(
    _ invitations: [[UInt8]], domain: ProtectionDomain, queue: CompletionQueue, capacity: QueuePairCapacity,
    timeoutMilliseconds: Int
  ) throws(VerbsFabricError) -> [String] {
    for (peer, invitation) in invitations.prefix(node.number + 1).enumerated() {
      for lane in settings.lanes { try call(NodeID(peer), lane, invitation, timeoutMilliseconds) }
    }
    let deadline = Self.nowMilliseconds() + timeoutMilliseconds
    // One end of each connection, and the passive ends of the loopback.
    let wanted = (nodeCount + 1) * settings.laneCount
    var up = 0
    while up < wanted {
      let left = deadline - Self.nowMilliseconds()
      let channel = channel
      let event = try verbs("connect to the other nodes") { () throws(VerbsError) in
        try channel.next(timeoutMilliseconds: max(0, left))
      }
      guard let event else {
        throw .timedOut(peers: missingPeers, milliseconds: timeoutMilliseconds)
      }
      if try handle(event, domain, queue, capacity, timeoutMilliseconds) { up += 1 }
    }
    // Nobody else is expected.
    listener = nil
    return refusals
  }

  private var missingPeers: [NodeID] {
    NodeRange(0, count: nodeCount).filter { peer in
      settings.lanes.contains { lane in ends[settings.connection(peer, lane)]?.isUp != true }
    }
  }

  /// Begins a connection: address, route, request, answer.
  private func call(
    _ peer: NodeID, _ lane: Lane, _ invitation: [UInt8], _ timeoutMilliseconds: Int
  ) throws(VerbsFabricError) {
    guard let invitation = AddressInvitation(invitation) else {
      throw .refused(
        "could not connect to node \(peer): its invitation names no address; MERINO_CONNECT has to be the "
          + "same on all nodes.")
    }
    let (host, port) = (invitation.host, invitation.port)
    let (channel, local, settings) = (channel, localAddress, settings)
    let identifier = try verbs("connect to node \(peer) at \(host), port \(port)") { () throws(VerbsError) in
      let identifier = try CommunicationIdentifier(channel)
      if let trafficClass = settings.trafficClass { try identifier.setTypeOfService(trafficClass) }
      try identifier.resolveAddress(
        SocketAddress(host: host, port: port), from: SocketAddress(host: local, port: 0),
        timeoutMilliseconds: timeoutMilliseconds)
      return identifier
    }
    let id = identifier.id
    let connection = Connection(identifier, peer: peer, lane: lane, isActive: true)
    connections[id] = connection
    ends[settings.connection(peer, lane)] = connection
  }

  /// True where the event brings a connection up.
  private func handle(
    _ event: consuming ConnectionEvent, _ domain: ProtectionDomain, _ queue: CompletionQueue,
    _ capacity: QueuePairCapacity, _ timeoutMilliseconds: Int
  ) throws(VerbsFabricError) -> Bool {
    if event.kind == .connectRequest {
      try answer(event, domain, queue, capacity)
      return false
    }
    guard let connection = connections[event.identifier] else { return false }
    let peer = connection.peer
    let offer = greeting.offer(settings, node: node, lane: connection.lane)
    let settings = settings
    switch event.kind {
    case .addressResolved:
      try verbs("find the way to node \(peer)") { () throws(VerbsError) in
        try connection.identifier.resolveRoute(timeoutMilliseconds: timeoutMilliseconds)
      }
    case .routeResolved:
      try verbs("connect to node \(peer)") { () throws(VerbsError) in
        try connection.identifier.createQueuePair(domain, send: queue, receive: queue, capacity: capacity)
        if let exponent = settings.acknowledgeTimeoutExponent {
          try connection.identifier.setAcknowledgeTimeout(exponent: exponent)
        }
        try connection.identifier.connect(offer)
      }
    case .established:
      let isNew = !connection.isUp
      connection.isUp = true
      return isNew
    case .timeWaitExit, .addressChange: break
    default:
      throw .verbs(
        attempt: "connect to node \(peer) over RDMA",
        event.unexpected(while: "rdma_connect", on: "the connection to node \(peer), lane \(connection.lane)")
      )
    }
    return false
  }

  static func nowMilliseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int(time.tv_sec) * 1000 + Int(time.tv_nsec) / 1_000_000
  }

  func close() {
    listener = nil
    ends = []
    connections = [:]
  }
}
