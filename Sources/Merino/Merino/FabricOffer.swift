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
        "could not join: there is no fabric \"\(name)\" (MERINO_FABRIC); there are \"host\" (nodes of one "
          + "machine), \"verbs\" (RDMA) and \"auto\".")
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
  /// How it wants connections to be made.
  var method: VerbsSettings.Method
  /// The device, or why there is none: for the middle of a sentence, without a full stop.
  var reason: String

  static func clause(_ sentence: String) -> String {
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
      hasAddress: port?.address != nil, laneCount: settings.laneCount, method: settings.method, reason: reason
    )
    return (offer, port)
  }

  init(
    request: FabricRequest, hasDevice: Bool, hasAddress: Bool, laneCount: Int, method: VerbsSettings.Method,
    reason: String
  ) {
    self.request = request
    self.hasDevice = hasDevice
    self.hasAddress = hasAddress
    self.laneCount = laneCount
    self.method = method
    self.reason = Self.clause(reason)
  }
}

/// What all nodes conclude from all offers, each by itself and all the same.
enum FabricChoice {
  case host
  /// `byAddress`: librdmacm makes the connections.
  case verbs(byAddress: Bool)

  /// The choice and, for the log, why. `hosts`: the nodes' host names. `areTogether`: all can share memory
  /// without a network.
  static func decide(
    _ offers: [FabricOffer], hosts: [String], areTogether: Bool
  ) throws(MerinoError) -> (choice: FabricChoice, why: String) {
    let request = try common(offers.map(\.request), except: .auto, "MERINO_FABRIC") ?? .auto
    let lacking = offers.indices.filter { !offers[$0].hasDevice }
    if request == .host {
      guard areTogether else {
        throw apart(offers, hosts, "MERINO_FABRIC=host needs all nodes on one machine")
      }
      return (.host, "asked for")
    }
    if lacking.isEmpty {
      return (
        .verbs(byAddress: try byAddress(offers, hosts)),
        request == .verbs ? "asked for" : "every node has a device"
      )
    }
    if request == .verbs {
      throw apart(offers, hosts, "MERINO_FABRIC=verbs needs an RDMA device on every node")
    }
    guard areTogether else {
      throw apart(offers, hosts, "the nodes are on several machines, and not all of them have an RDMA device")
    }
    let node = lacking[0]
    return (
      .host,
      offers.count == 1
        ? "a job of one node" : "node \(node) has no RDMA device that can be used: \(offers[node].reason)"
    )
  }

  /// Whether librdmacm makes the connections; every node has a device.
  private static func byAddress(_ offers: [FabricOffer], _ hosts: [String]) throws(MerinoError) -> Bool {
    _ = try common(offers.map(\.laneCount), except: nil, "MERINO_LANES")
    let method = try common(offers.map(\.method), except: .auto, "MERINO_CONNECT") ?? .auto
    guard let node = offers.firstIndex(where: { !$0.hasAddress }) else { return method != .exchange }
    if method != .cm { return false }
    throw MerinoError(
      .notSupported,
      "could not join: MERINO_CONNECT=cm, but the port of node \(node) on \(hosts[node]) has no IP address: "
        + "\(offers[node].reason).")
  }

  /// The value that all nodes that say one agree on; `nil` where all leave it open, as `open` does.
  private static func common<T: Equatable>(
    _ values: [T], except open: T?, _ name: String
  ) throws(MerinoError) -> T? {
    guard let first = values.firstIndex(where: { $0 != open }) else { return nil }
    guard let other = values.firstIndex(where: { $0 != open && $0 != values[first] }) else {
      return values[first]
    }
    throw MerinoError(
      .mismatch,
      "could not join: \(name) is \(values[first]) at node \(first) and \(values[other]) at node \(other); "
        + "give all nodes the same.")
  }

  /// The error that says what each node has; of nodes of one host that have the same, the first.
  private static func apart(_ offers: [FabricOffer], _ hosts: [String], _ what: String) -> MerinoError {
    var said = Set<String>()
    var lines: [String] = []
    for (node, offer) in offers.enumerated() where said.insert(hosts[node] + offer.reason).inserted {
      lines.append("node \(node) on \(hosts[node]): \(offer.reason)")
    }
    let shown =
      lines.prefix(8).joined(separator: "; ") + (lines.count > 8 ? "; and \(lines.count - 8) more" : "")
    return MerinoError(.notSupported, "could not join: \(what): \(shown).")
  }
}
