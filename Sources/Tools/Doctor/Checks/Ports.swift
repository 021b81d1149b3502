import Verbs

// Ports of RDMA devices: state, link, MTU, addresses, and the one that would be used.

extension Examination {
  func portFindings() -> [Finding] {
    var findings: [Finding] = []
    for device in devices {
      guard case .opened(_, let ports, _) = device.content else { continue }
      for port in ports {
        findings += [
          stateFinding(device.name, port), linkLayerFinding(device.name, port), mtuFinding(device.name, port),
          identifiersFinding(device.name, port),
        ]
      }
    }
    return findings + [choiceFinding()]
  }

  func stateFinding(_ device: String, _ port: RDMAPort) -> Finding {
    let name = "rdma.port_state"
    let found = "\(device) port \(port.number): \(port.attributes.state)"
    if port.attributes.state == .active { return .pass(name, found) }
    let interface = host.interfaces(of: port, device: device).first ?? "the interface"
    return Finding(
      name, weight(device, port: port.number), found,
      cure: port.attributes.linkLayer == .ethernet
        ? "ip link set \(interface) up, and look at its cable"
        : "look at the cable, and at the subnet manager (systemctl status opensm; sminfo)")
  }

  func linkLayerFinding(_ device: String, _ port: RDMAPort) -> Finding {
    let name = "rdma.link_layer"
    let layer = port.attributes.linkLayer
    let found = "\(device) port \(port.number): \(layer)"
    if layer == .ethernet { return .pass(name, "\(found) (RoCE: peers are addressed by IP address)") }
    if layer == .infiniBand { return .pass(name, found) }
    return Finding(
      name, lightWeight(device, port: port.number), found, cure: "none known; it is taken for InfiniBand")
  }

  /// The headers of a RoCE packet, as the kernel counts them when it derives the path MTU.
  private static let headerByteCount = 96

  func mtuFinding(_ device: String, _ port: RDMAPort) -> Finding {
    let name = "rdma.mtu"
    let active = port.attributes.activeMTU.byteCount
    var found =
      "\(device) port \(port.number): packets of \(active) bytes, at most \(port.attributes.maximumMTU)"
    if port.attributes.linkLayer != .ethernet {
      if active >= 4096 { return .pass(name, found) }
      return Finding(
        name, lightWeight(device, port: port.number), "\(found); a page of 4096 bytes takes several",
        cure: "raise the subnet's MTU in the subnet manager (mtu=5 in partitions.conf of opensm)")
    }
    guard let interface = host.interfaces(of: port, device: device).first,
      let mtu = host.number("/sys/class/net/\(interface)/mtu")
    else { return Finding(name, lightWeight(device, port: port.number), found, cure: "look at ip link") }
    found += "; the MTU of \(interface) is \(mtu)"
    let cure = "ip link set \(interface) mtu 4200 (or 9000), on every host and switch between them"
    if mtu < active + Self.headerByteCount {
      return Finding(
        name, weight(device, port: port.number), "\(found), too small for such packets: they are lost",
        cure: cure)
    }
    if active >= 4096 { return .pass(name, found) }
    return Finding(
      name, lightWeight(device, port: port.number), "\(found); a page of 4096 bytes takes several packets",
      cure: mtu >= 4200 ? "take the port down and up again: ip link set \(interface) down, and up" : cure)
  }

  func identifiersFinding(_ device: String, _ port: RDMAPort) -> Finding {
    let name = "rdma.addresses"
    let place = "\(device) port \(port.number)"
    let listed = host.namedIdentifiers(of: port, device: device).map { gid in
      let details = [gid.type, gid.interface].filter { !$0.isEmpty }.joined(separator: ", ")
      return "GID \(gid.index) \(gid.identifier)" + (details.isEmpty ? "" : " (\(details))")
    }
    let gids = listed.isEmpty ? "no GID" : listed.joined(separator: "; ")
    let address = host.address(of: port, device: device)
    let isCarried = connectsByAddress ? address?.isIP == true : address != nil
    let interface = host.interfaces(of: port, device: device).first ?? "IF"
    let cure = "ip addr add 192.0.2.1/24 dev \(interface), with an address of your network"
    let weight = weight(device, port: port.number)
    guard let address, isCarried else {
      let means = connectsByAddress ? ", and MERINO_CONNECT=cm needs one" : ""
      return Finding(name, weight, "\(place): \(gids); no IP address of its interface\(means)", cure: cure)
    }
    let found = "\(place): \(gids); nodes would use \(address.description)"
    if case .identifier = address {
      return Finding(name, lightWeight(device, port: port.number), found, cure: cure)
    }
    return .pass(name, found)
  }

  /// Whether only connections by librdmacm are allowed, which need an IP address.
  private var connectsByAddress: Bool { host.variable("MERINO_CONNECT") == "cm" }

  func choiceFinding() -> Finding {
    let name = "rdma.choice"
    let over = choice.passedOver.isEmpty ? "" : "; passed over: " + choice.passedOver.joined(separator: "; ")
    if let chosen = choice.chosen {
      return .pass(
        name,
        "\(chosen.device) port \(chosen.port), \(chosen.address.description): the first that is active and "
          + "has atomics\(over)")
    }
    if devices.isEmpty && demand != .verbs { return .skip(name, "there is no device to choose from") }
    return Finding(
      name, weight(), "no port can be used" + over,
      cure: deviceDemand == nil ? "the lines above say what each lacks" : "correct MERINO_DEVICE, or unset it"
    )
  }

  func fabricFinding() -> Finding {
    let name = "fabric"
    switch (demand, isOverVerbs) {
    case (.host, _): return .pass(name, "host, as demanded: jobs of this host only")
    case (.verbs, _):
      if choice.chosen != nil { return .pass(name, "verbs, as demanded") }
      return .fail(
        name, "verbs is demanded (MERINO_FABRIC), and this host has no port that can be used",
        cure: "the lines above say why; MERINO_FABRIC=host for jobs of this host only")
    case (.auto, true): return .pass(name, "verbs, where every host of the job has a port that can be used")
    case (.auto, false) where nodeCount == 1: return .pass(name, "host: a job of one node")
    case (.auto, false):
      if devices.isEmpty && kernelDevices.isEmpty { return .pass(name, "host: jobs of this host only") }
      return .warn(
        name, "host: jobs of this host only, although there is a device",
        cure: "the lines above say what it lacks; MERINO_FABRIC=verbs makes that a failure")
    }
  }
}
