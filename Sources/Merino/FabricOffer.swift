import Bootstrap
import Glibc
import VerbsFabric

/// The fabrics that a program or a user can ask for.
enum FabricRequest: UInt8 {
  case auto = 0
  case host = 1
  case verbs = 2

  init(_ options: ClusterOptions) throws(MerinoError) {
    switch options.fabric ?? EnvironmentSettings.string("MERINO_FABRIC") ?? "auto" {
    case "auto": self = .auto
    case "host": self = .host
    case "verbs": self = .verbs
    case let name:
      throw MerinoError(
        .notSupported,
        "could not join: there is no fabric \"\(name)\" (MERINO_FABRIC); there are \"host\" (nodes of one machine), "
          + "\"verbs\" (RDMA) and \"auto\".")
    }
  }
}

/// What a node tells the others of the fabrics that it could use.
struct FabricOffer {
  var request: FabricRequest
  /// Whether it has a device that does.
  var hasDevice: Bool
  /// Whether the device's port has an IP address, and connections by address are allowed.
  var hasAddress: Bool
  var laneCount: Int
  /// Names the machine: equal on nodes that can map each other's memory.
  var machine: String
  var hostName: String
  /// The device, or why there is none: for the middle of a sentence, without a full stop.
  var reason: String

  /// The form in which it travels: three bytes, then three strings that end with a zero.
  var bytes: [UInt8] {
    let flags: UInt8 = (hasDevice ? 1 : 0) | (hasAddress ? 2 : 0)
    return [request.rawValue, flags, UInt8(clamping: laneCount)]
      + [machine, hostName, reason].flatMap { Array($0.utf8.filter { $0 != 0 }) + [0] }
  }

  init?(_ bytes: [UInt8]) {
    guard bytes.count > 3, let request = FabricRequest(rawValue: bytes[0]) else { return nil }
    let texts = bytes[3...].split(separator: 0, maxSplits: 3, omittingEmptySubsequences: false)
    guard texts.count >= 3 else { return nil }
    self.request = request
    hasDevice = bytes[1] & 1 != 0
    hasAddress = bytes[1] & 2 != 0
    laneCount = Int(bytes[2])
    machine = String(decoding: texts[0], as: UTF8.self)
    hostName = String(decoding: texts[1], as: UTF8.self)
    reason = Self.clause(String(decoding: texts[2], as: UTF8.self))
  }

  private static func clause(_ sentence: String) -> String {
    sentence.hasSuffix(".") ? String(sentence.dropLast()) : sentence
  }

  /// This node's offer, and the device behind it.
  static func make(
    _ request: FabricRequest, _ settings: VerbsSettings, nodeCount: Int
  ) throws(MerinoError) -> (offer: FabricOffer, port: PortChoice?) {
    var port: PortChoice?
    var reason = "not asked for"
    // A job of one node has nobody to talk to.
    if request == .verbs || request == .auto && nodeCount > 1 {
      do throws(VerbsFabricError) {
        let found = try PortChoice(settings)
        port = found
        reason = found.reason
      } catch {
        if case .setting(let sentence) = error {
          throw MerinoError(.invalidArgument, "could not join: \(sentence)")
        }
        reason = error.description
      }
    }
    let offer = FabricOffer(
      request: request, hasDevice: port != nil,
      hasAddress: port?.address != nil && settings.method != .exchange, laneCount: settings.laneCount,
      machine: Machine.identity, hostName: Machine.hostName, reason: reason)
    return (offer, port)
  }

  private init(
    request: FabricRequest, hasDevice: Bool, hasAddress: Bool, laneCount: Int, machine: String,
    hostName: String,
    reason: String
  ) {
    self.request = request
    self.hasDevice = hasDevice
    self.hasAddress = hasAddress
    self.laneCount = laneCount
    self.machine = machine
    self.hostName = hostName
    self.reason = Self.clause(reason)
  }
}

/// What all nodes conclude from all offers, each by itself and all the same.
enum FabricChoice {
  case host
  /// `byAddress`: librdmacm makes the connections.
  case verbs(byAddress: Bool)

  /// The choice and, for the log, why.
  static func decide(
    _ offers: [FabricOffer], method: VerbsSettings.Method
  ) throws(MerinoError) -> (choice: FabricChoice, why: String) {
    let request = try agreed(offers)
    let areTogether = offers.allSatisfy { $0.machine == offers[0].machine }
    let lacking = offers.indices.filter { !offers[$0].hasDevice }
    if request == .host {
      guard areTogether else { throw apart(offers, "MERINO_FABRIC=host needs all nodes on one machine") }
      return (.host, "asked for")
    }
    if lacking.isEmpty {
      try sameLanes(offers)
      let byAddress = method != .exchange && offers.allSatisfy(\.hasAddress)
      if method == .cm && !byAddress {
        let node = offers.firstIndex { !$0.hasAddress } ?? 0
        throw MerinoError(
          .notSupported,
          "could not join: MERINO_CONNECT=cm, but the port of node \(node) on \(offers[node].hostName) has no IP "
            + "address: \(offers[node].reason).")
      }
      return (.verbs(byAddress: byAddress), request == .verbs ? "asked for" : "every node has a device")
    }
    if request == .verbs { throw apart(offers, "MERINO_FABRIC=verbs needs an RDMA device on every node") }
    guard areTogether else {
      throw apart(offers, "the nodes are on several machines, and not all of them have an RDMA device")
    }
    let node = lacking[0]
    return (
      .host,
      offers.count == 1 ? "a job of one node" : "node \(node) has no RDMA device: \(offers[node].reason)"
    )
  }

  private static func agreed(_ offers: [FabricOffer]) throws(MerinoError) -> FabricRequest {
    var found: (request: FabricRequest, node: Int)?
    for (node, offer) in offers.enumerated() where offer.request != .auto {
      if let found, found.request != offer.request {
        throw MerinoError(
          .mismatch,
          "could not join: MERINO_FABRIC is \"\(found.request)\" at node \(found.node) and \"\(offer.request)\" at "
            + "node \(node); give all nodes the same.")
      }
      found = found ?? (offer.request, node)
    }
    return found?.request ?? .auto
  }

  private static func sameLanes(_ offers: [FabricOffer]) throws(MerinoError) {
    guard let node = offers.firstIndex(where: { $0.laneCount != offers[0].laneCount }) else { return }
    throw MerinoError(
      .mismatch,
      "could not join: MERINO_LANES is \(offers[0].laneCount) at node 0 and \(offers[node].laneCount) at node "
        + "\(node); give all nodes the same.")
  }

  /// The error that says what each node has; of nodes of one machine that have the same, the first.
  private static func apart(_ offers: [FabricOffer], _ what: String) -> MerinoError {
    var said = Set<String>()
    var lines: [String] = []
    for (node, offer) in offers.enumerated() where said.insert(offer.machine + offer.reason).inserted {
      // Where there is no device the reason is a sentence of its own.
      let reason = offer.reason.hasSuffix(".") ? String(offer.reason.dropLast()) : offer.reason
      lines.append("node \(node) on \(offer.hostName): \(reason)")
    }
    let shown =
      lines.prefix(8).joined(separator: "; ") + (lines.count > 8 ? "; and \(lines.count - 8) more" : "")
    return MerinoError(.notSupported, "could not join: \(what): \(shown).")
  }
}

/// The machine that this process runs on.
enum Machine {
  static var hostName: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress, gethostname(base, 255) == 0 else { return "an unnamed host" }
      base[255] = 0
      return String(cString: base)
    }
  }

  /// The running kernel's own random number: equal for processes of one machine, containers included.
  static var identity: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
      guard let base = buffer.baseAddress, let file = fopen("/proc/sys/kernel/random/boot_id", "re") else {
        return hostName
      }
      defer { fclose(file) }
      return fgets(base, 64, file) == nil ? hostName : String(cString: base.self)
    }
  }
}
