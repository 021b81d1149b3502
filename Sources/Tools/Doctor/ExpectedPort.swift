import Verbs

/// How the other nodes reach a port.
package enum PortAddress: Sendable, Equatable {
  /// By librdmacm, over an IP address of an interface; on RoCE it stands in the GID of that index.
  case ip(String, interface: String, gidIndex: Int?, gidType: String)
  /// RoCE without an IP address: by a GID that is valid on its link only, which the nodes exchange when they
  /// join.
  case identifier(gidIndex: Int, interface: String)
  /// InfiniBand without an IP address: by LID and GID, which the nodes exchange when they join.
  case localID(UInt16)

  /// Whether librdmacm makes the connections.
  var isIP: Bool { if case .ip = self { true } else { false } }

  package var description: String {
    switch self {
    case .ip(let text, let interface, let index, let type):
      "\(text) of \(interface)" + (index.map { " (GID \($0), \(type))" } ?? " (IPoIB)")
    case .identifier(let index, let interface):
      "GID \(index) of \(interface), exchanged at joining (no IP address: valid on its link only)"
    case .localID(let lid):
      "LID \(lid) and GID 0, exchanged at joining (no IP address on its IPoIB interface)"
    }
  }
}

/// The port that the fabric over verbs would take, and why not the others.
package struct ExpectedPort: Sendable {
  package struct Chosen: Sendable {
    package var device: String
    package var port: Int
    package var address: PortAddress
  }

  /// nil where none does.
  package var chosen: Chosen?
  /// What came before it and did not do.
  package var passedOver: [String] = []

  /// The first port in the kernel's order that is active, has atomics, and can be addressed: as `PortChoice`
  /// of VerbsFabric finds it when a node joins, over what a test can fake, and with what is wrong with the
  /// others.
  init(_ devices: [RDMADevice], on host: Host, demanded: DeviceDemand?) {
    for device in devices where chosen == nil {
      switch device.content {
      case .failed(let error):
        passedOver.append("\(device.name): \(error)")
      case .opened(let attributes, let ports, _):
        for port in ports where chosen == nil {
          consider(device.name, attributes, port, host, demanded)
        }
        if ports.isEmpty { passedOver.append("\(device.name): it has no port") }
      }
    }
  }

  private mutating func consider(
    _ name: String, _ device: DeviceAttributes, _ port: RDMAPort, _ host: Host, _ demanded: DeviceDemand?
  ) {
    var requirements = DeviceRequirements()
    requirements.needsAtomics = true
    requirements.deviceName = demanded?.device
    requirements.port = demanded?.port
    let place = "\(name) port \(port.number)"
    if let refusal = requirements.refusal(
      device: name, device, port: port.number, port.attributes)
    {
      passedOver.append("\(place): \(refusal)")
    } else if let address = host.address(of: port, device: name) {
      chosen = Chosen(device: name, port: port.number, address: address)
    } else {
      passedOver.append("\(place): its GID table is empty")
    }
  }
}
