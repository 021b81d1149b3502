import Fabric
import Verbs

/// Connections by what the nodes tell each other through the bootstrap: LID or GID, queue pair numbers, first
/// packet numbers. Needs no IP address on the port. That a peer belongs to the job the bootstrap has shown: a
/// queue pair is connected to the one that it was told of and answers no other.
///
/// In the invitation stand, behind the ends of all connection numbers, those of the passive ends of the
/// loopback.
final class ExchangeWiring: Wiring {
  private let settings: VerbsSettings
  private let connection: ConnectionSettings
  private let node: NodeID
  private let nodeCount: Int
  private let readsLimit: Int
  private var ends: [End] = []
  let invitation: [UInt8]

  /// A queue pair and its first packet's number.
  private final class End {
    let pair: QueuePair
    let packetNumber: UInt32
    init(_ pair: consuming QueuePair, packetNumber: UInt32) {
      self.pair = pair
      self.packetNumber = packetNumber
    }
  }

  init(
    _ choice: PortChoice, _ settings: VerbsSettings, domain: ProtectionDomain, queue: CompletionQueue,
    capacity: QueuePairCapacity, node: NodeID, nodeCount: Int
  ) throws(VerbsFabricError) {
    self.settings = settings
    self.node = node
    self.nodeCount = nodeCount
    let device = choice.selection.attributes
    readsLimit = min(device.maximumReadsAsInitiator, 255)
    var own = ConnectionSettings()
    own.port = choice.selection.port
    own.gidIndex = choice.gidIndex
    own.pathMTU = choice.selection.portAttributes.activeMTU
    own.partitionKeyIndex = settings.partitionKeyIndex
    own.serviceLevel = settings.serviceLevel
    own.trafficClass = settings.trafficClass ?? 0
    own.readsAsTarget = min(device.maximumReadsAsTarget, 255)
    own.acknowledgeTimeoutExponent = settings.acknowledgeTimeoutExponent ?? 16
    own.retryCount = settings.retryCount
    connection = own
    let shape = own
    let made = try verbs("make \((nodeCount + 1) * settings.laneCount) queue pairs on \(choice.name)") {
      () throws(VerbsError) in
      try Self.makeEnds((nodeCount + 1) * settings.laneCount, domain, queue, capacity, shape)
    }
    ends = made.ends
    invitation = ExchangeInvitation.bytes(
      pathMTU: own.pathMTU, readsServed: own.readsAsTarget, addresses: made.bytes)
  }

  private static func makeEnds(
    _ count: Int, _ domain: ProtectionDomain, _ queue: CompletionQueue, _ capacity: QueuePairCapacity,
    _ settings: ConnectionSettings
  ) throws(VerbsError) -> (ends: [End], bytes: [UInt8]) {
    var ends: [End] = []
    var bytes: [UInt8] = []
    for _ in 0..<count {
      let pair = try QueuePair(domain, send: queue, receive: queue, capacity: capacity)
      let packetNumber = UInt32.random(in: 0..<1 << 24)
      try pair.initialize(settings, access: .all)
      bytes += try pair.address(settings, packetNumber: packetNumber).bytes
      ends.append(End(pair, packetNumber: packetNumber))
    }
    return (ends, bytes)
  }

  var pairs: [RawQueuePair] {
    // A queue pair that was not closed has its handle.
    ends.prefix(nodeCount * settings.laneCount).compactMap { $0.pair.rawQueuePair }
  }

  func connect(
    _ invitations: [[UInt8]], domain: ProtectionDomain, queue: CompletionQueue, capacity: QueuePairCapacity,
    timeoutMilliseconds: Int
  ) throws(VerbsFabricError) -> [String] {
    let lanes = settings.laneCount
    for (peer, bytes) in zip(NodeRange(0, count: nodeCount), invitations) {
      guard let invitation = ExchangeInvitation(bytes, endCount: (nodeCount + 1) * lanes) else {
        throw .refused(
          "could not connect to node \(peer): its invitation has \(bytes.count) bytes, or names no path MTU; "
            + "MERINO_LANES and MERINO_CONNECT have to be the same on all nodes.")
      }
      for lane in settings.lanes {
        // The other end of what connects this node to itself are the passive ends behind the rest.
        let passive = settings.connection(NodeID(nodeCount), lane)
        let mine = settings.connection(node, lane)
        let end = ends[settings.connection(peer, lane)]
        try join(end, invitation, peer == node ? passive : mine, peer)
        if peer == node { try join(ends[passive], invitation, mine, peer) }
      }
    }
    return []
  }

  private func join(
    _ end: End, _ invitation: ExchangeInvitation, _ index: Int, _ peer: NodeID
  ) throws(VerbsFabricError) {
    guard let address = invitation.address(index) else {
      throw .refused("could not connect to node \(peer): its invitation names no queue pair.")
    }
    var settings = connection
    settings.pathMTU = PathMTU(rawValue: min(settings.pathMTU.rawValue, invitation.pathMTU.rawValue))
    settings.readsAsInitiator = min(readsLimit, invitation.readsServed)
    let chosen = settings
    try verbs("connect to node \(peer)") { () throws(VerbsError) in
      try end.pair.becomeReadyToReceive(from: address, chosen)
      try end.pair.becomeReadyToSend(packetNumber: end.packetNumber, chosen)
    }
  }

  func close() { ends = [] }
}
