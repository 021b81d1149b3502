/// Where a rendezvous is reached: what `MERINO_RENDEZVOUS` holds.
package enum RendezvousAddress: Sendable, Hashable {
  /// A socket in the file system, of this machine.
  case path(String)
  case tcp(HostAndPort)

  static let tcpPrefix = "tcp:"

  package init(_ text: String) throws(BootstrapError) {
    guard text.hasPrefix(Self.tcpPrefix) else {
      self = .path(text)
      return
    }
    let rest = String(text.dropFirst(Self.tcpPrefix.count))
    guard let address = HostAndPort(rest), address.port > 0 else {
      throw BootstrapError(
        .badEnvironment,
        "\(JobEnvironment.rendezvousName) is \"\(text)\"; over TCP it is tcp:HOST:PORT, an IPv6 address "
          + "in brackets.")
    }
    self = .tcp(address)
  }

  package var text: String {
    switch self {
    case .path(let path): path
    case .tcp(let address): "\(Self.tcpPrefix)\(address)"
    }
  }
}

/// "host:7000", "[::1]:7000".
package struct HostAndPort: Sendable, Hashable, CustomStringConvertible {
  package let host: String
  package let port: UInt16

  package init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  package init?(_ text: String) {
    // In bounds: on either side of what was found.
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
      return nil
    }
    // In bounds: as above.
    guard let host = Self.host(text[..<colon]) else { return nil }
    self.init(host: host, port: port)
  }

  /// A name or an address; the brackets of an IPv6 address taken off.
  package static func host(_ text: Substring) -> String? {
    if text.hasPrefix("["), text.hasSuffix("]"), text.count > 2 { return String(text.dropFirst().dropLast()) }
    let isName = !text.isEmpty && !text.contains { $0 == ":" || $0 == "[" || $0 == "]" || $0.isWhitespace }
    return isName ? String(text) : nil
  }

  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
