import Verbs

/// A GID with what /sys says of it.
package struct NamedGID: Sendable {
  package var index: Int
  package var identifier: GlobalIdentifier
  /// "RoCE v2", "IB/RoCE v1"; empty where the kernel does not say.
  package var type: String
  /// The network interface that it belongs to; empty on InfiniBand.
  package var interface: String

  /// The IP address in a RoCE GID; nil for one that is valid on its link only.
  var address: String? { identifier.isLinkLocal ? nil : identifier.description }

  /// Preferred first: IPv4, IPv6, then link-local ones; RoCE version 2 before 1.
  var rank: Int {
    (identifier.ipv4 != nil ? 0 : identifier.isLinkLocal ? 4 : 2) + (type.hasSuffix("v1") ? 1 : 0)
  }
}

extension Host {
  static let infinibandClass = "/sys/class/infiniband"

  static func portPath(_ device: String, _ port: Int) -> String {
    "\(infinibandClass)/\(device)/ports/\(port)"
  }

  /// The GIDs of a port with their types and interfaces.
  func namedIdentifiers(of port: RDMAPort, device: String) -> [NamedGID] {
    let path = Self.portPath(device, port.number) + "/gid_attrs"
    return port.identifiers.map { entry in
      NamedGID(
        index: entry.index, identifier: entry.identifier, type: text("\(path)/types/\(entry.index)") ?? "",
        interface: text("\(path)/ndevs/\(entry.index)") ?? "")
    }
  }

  /// The network interfaces of a port: of RoCE from its GIDs, else the one that a software device stands on;
  /// of InfiniBand its IPoIB interface.
  func interfaces(of port: RDMAPort, device: String) -> [String] {
    if port.attributes.linkLayer != .ethernet { return ipoibInterfaces(of: port, device: device) }
    var names: [String] = []
    for gid in namedIdentifiers(of: port, device: device)
    where !gid.interface.isEmpty && !names.contains(gid.interface) {
      names.append(gid.interface)
    }
    if names.isEmpty, let parent = text("\(Self.infinibandClass)/\(device)/parent") { names.append(parent) }
    return names
  }

  private func ipoibInterfaces(of port: RDMAPort, device: String) -> [String] {
    entries("/sys/class/net").filter { name in
      let path = "/sys/class/net/\(name)"
      // 32 is ARPHRD_INFINIBAND; a port's number counts from 1, an interface's from 0.
      return number("\(path)/type") == 32 && exists("\(path)/device/infiniband/\(device)")
        && (number("\(path)/dev_port") ?? port.number - 1) == port.number - 1
    }
  }

  /// By what the other nodes would reach a port; nil where it cannot be reached.
  func address(of port: RDMAPort, device: String) -> PortAddress? {
    if port.attributes.linkLayer == .ethernet {
      let all = namedIdentifiers(of: port, device: device)
      guard let best = all.min(by: { ($0.rank, $0.index) < ($1.rank, $1.index) }) else { return nil }
      let interface = best.interface.isEmpty ? "an interface" : best.interface
      guard let text = best.address else { return .identifier(gidIndex: best.index, interface: interface) }
      return .ip(
        text, interface: interface, gidIndex: best.index,
        gidType: best.type.isEmpty ? "type unknown" : best.type)
    }
    let interfaces = ipoibInterfaces(of: port, device: device)
    let addresses = interfaceAddresses().filter { interfaces.contains($0.interface) && !$0.isLinkLocal }
    if let best = addresses.first(where: \.isIPv4) ?? addresses.first {
      return .ip(best.text, interface: best.interface, gidIndex: nil, gidType: "")
    }
    return .localID(port.attributes.localID)
  }
}
