import Glibc
import Platform
import Verbs

/// The device, port and address that this node will use, and why. Made before anybody is connected, so that
/// all nodes can see what each has.
public struct PortChoice: Sendable {
  /// The device, opened.
  public let selection: DeviceSelection
  /// The IP address by which librdmacm leads to the port; `nil` where it has none.
  public let address: String?
  /// The entry of the GID table for connections by exchange; `nil` on InfiniBand without a router.
  public let gidIndex: Int?
  /// A sentence for the log: what was chosen, and what was passed over and why.
  public let reason: String

  /// Whether the device is software (Soft-RoCE, Soft-iWARP), which works on the processors of those who wait
  /// for it.
  public var isSoftware: Bool {
    // The vendor numbers of rxe (none in older kernels) and siw: no manufacturer has them.
    [0, 0xFF_FFFF, 0x62_6D74].contains(selection.attributes.vendorID)
  }

  /// Whether an atomic can end without its value: rxe takes the acknowledgement of a WRITE that it sent again
  /// for the answer of the atomic behind it, when that got lost (docs/testbed.md, "Lost values").
  public var confusesAnswers: Bool { isSoftware }

  /// "rxe0:1"
  public var name: String { "\(selection.context.deviceName):\(selection.port)" }

  /// The first device of this host with an active port and atomics, that the settings allow.
  ///
  /// - Throws: `VerbsFabricError` that says of each device why it was passed over.
  public init(_ settings: VerbsSettings) throws(VerbsFabricError) {
    try settings.check()
    var needs = DeviceRequirements()
    if let demand = try settings.demanded() { needs.restrict(to: demand) }
    needs.needsAtomics = true
    // For kernels before 5.12, where the child of a fork() would take the queues' pages with it, as those of
    // system() and posix_spawn do. It is too late where the program has registered memory of its own, and
    // then the program's.
    try? Context.prepareForFork()
    let found = try verbs("choose a port of an RDMA device") { () throws(VerbsError) in
      try DeviceSelection.first(needs)
    }
    // An address handle names an entry by one byte.
    let identifiers = try verbs("read the GIDs of \(found.context.deviceName)") { () throws(VerbsError) in
      try found.context.globalIdentifiers(port: found.port)
    }.filter { $0.index <= 255 }
    let port = PortFiles(device: found.context.deviceName, port: found.port)
    let isEthernet = found.portAttributes.linkLayer == .ethernet
    if let index = settings.gidIndex, !identifiers.contains(where: { $0.index == index }) {
      throw .setting("MERINO_GID_INDEX=\(index): port \(found.port) of \(port.device) has no GID there.")
    }
    if isEthernet && identifiers.isEmpty {
      throw .refused(
        "could not use \(port.device): its port \(found.port) has no GID; bring the network interface that "
          + "it stands on up (ip link set up), or give it an address (ip addr add).")
    }
    selection = found
    gidIndex =
      settings.gidIndex ?? (isEthernet ? Self.preferred(identifiers, port)?.index : nil)
    address = settings.address ?? Self.address(identifiers, port, isEthernet: isEthernet)
    reason = Self.sentence(found, address, gidIndex, identifiers)
  }

  /// RoCE v2 over IPv4, then over a routable IPv6, then anything, the link-local entries last.
  static func preferred(
    _ entries: [GlobalIdentifierEntry], _ port: PortFiles
  ) -> GlobalIdentifierEntry? {
    func rank(_ entry: GlobalIdentifierEntry) -> Int {
      let version = port.gidType(entry.index).contains("v2") ? 0 : 1
      if entry.identifier.ipv4 != nil { return version }
      return (entry.identifier.isLinkLocal ? 4 : 2) + version
    }
    return entries.min { (rank($0), $0.index) < (rank($1), $1.index) }
  }

  private static func address(
    _ entries: [GlobalIdentifierEntry], _ port: PortFiles, isEthernet: Bool
  ) -> String? {
    if isEthernet {
      // On RoCE a GID is an IP address. A link-local one needs its interface named: connections by exchange
      // do.
      guard let best = preferred(entries, port), !best.identifier.isLinkLocal else { return nil }
      return best.identifier.description
    }
    return port.interfaceNames.lazy.compactMap(InterfaceAddress.of).first
  }

  private static func sentence(
    _ found: DeviceSelection, _ address: String?, _ gidIndex: Int?, _ identifiers: [GlobalIdentifierEntry]
  ) -> String {
    let port = found.portAttributes
    var text =
      "device \(found.context.deviceName) port \(found.port) (\(port.linkLayer), path MTU "
      + "\(port.activeMTU)), "
    text += address.map { "address \($0)" } ?? "no IP address"
    if let gidIndex, let entry = identifiers.first(where: { $0.index == gidIndex }) {
      text += ", GID \(gidIndex) (\(entry.identifier))"
    }
    if !found.passedOver.isEmpty {
      text += "; passed over: " + found.passedOver.map(\.description).joined(separator: "; ")
    }
    return text
  }
}

/// What the kernel's files tell of a port.
struct PortFiles {
  let device: String
  let port: Int

  /// "RoCE v2", "IB/RoCE v1"; empty where the kernel does not say.
  func gidType(_ index: Int) -> String {
    Self.line("/sys/class/infiniband/\(device)/ports/\(port)/gid_attrs/types/\(index)") ?? ""
  }

  /// The network interfaces that stand on the device, for InfiniBand the IPoIB ones of this port.
  var interfaceNames: [String] {
    Self.entries("/sys/class/infiniband/\(device)/device/net").filter { name in
      // dev_port counts ports from 0; a device of one port need not say.
      guard let text = Self.line("/sys/class/net/\(name)/dev_port"), let number = Int(text) else {
        return true
      }
      return number == port - 1
    }
  }

  static func line(_ path: String) -> String? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer -> String? in
      guard let base = buffer.baseAddress, fgets(base, 256, file) != nil else { return nil }
      let text = String(cString: base)
      return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
  }

  static func entries(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }
}

/// The IP address of a network interface.
enum InterfaceAddress {
  /// IPv4 before IPv6; link-local ones do not count.
  static func of(_ interface: String) -> String? {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return nil }
    defer { freeifaddrs(list) }
    var found: [(isV6: Bool, text: String)] = []
    var next = list
    while let entry = next {
      next = entry.pointee.ifa_next
      guard String(cString: entry.pointee.ifa_name) == interface, let address = entry.pointee.ifa_addr,
        let text = numeric(address)
      else { continue }
      found.append(text)
    }
    return (found.first { !$0.isV6 } ?? found.first)?.text
  }

  private static func numeric(_ address: UnsafeMutablePointer<sockaddr>) -> (isV6: Bool, text: String)? {
    let family = Int32(address.pointee.sa_family)
    guard family == AF_INET || family == AF_INET6 else { return nil }
    let length = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
    let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer -> String? in
      guard let base = buffer.baseAddress,
        getnameinfo(address, socklen_t(length), base, 64, nil, 0, NI_NUMERICHOST) == 0
      else { return nil }
      return String(cString: base)
    }
    guard let text, !text.hasPrefix("fe80"), !text.hasPrefix("127.") else { return nil }
    return (family == AF_INET6, text)
  }
}
