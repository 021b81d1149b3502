import CBootstrap

/// Where node 0 keeps the rendezvous, and how one proves there to belong to the job: what the launcher
/// carries from node 0 to the others. Who reads it can join the job; it is as secret as the launcher's own
/// traffic.
struct RendezvousCard: Hashable {
  /// Of this job's network namespace, hence found by processes of node 0's host only.
  var localName: String
  var secret: [UInt8]
  /// To be tried in turn.
  var addresses: [HostAndPort]

  private static let version = "merino1"
  /// A host may have many; the first are the likeliest.
  private static let addressLimit = 16

  static func fresh(addresses: [HostAndPort]) throws(BootstrapError) -> RendezvousCard {
    let name = try JobSecret.make()
    let secret = try SecretFile.make().dropLast()
    return RendezvousCard(
      localName: "@merino-\(String(name.0, radix: 16))\(String(name.1, radix: 16))", secret: Array(secret),
      addresses: addresses)
  }

  var text: String {
    ([Self.version, localName, String(decoding: secret, as: UTF8.self)]
      + addresses.prefix(Self.addressLimit).map(\.description)).joined(separator: ",")
  }

  init(localName: String, secret: [UInt8], addresses: [HostAndPort]) {
    self.localName = localName
    self.secret = secret
    self.addresses = addresses
  }

  init?(_ text: String) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    // In bounds: there are four at least.
    guard parts.count > 3, parts[0] == Self.version, parts[1].hasPrefix("@"),
      parts[2].utf8.count >= SecretFile.shortestByteCount
    else { return nil }
    var addresses: [HostAndPort] = []
    for part in parts.dropFirst(3) {
      guard let address = HostAndPort(part) else { return nil }
      addresses.append(address)
    }
    // In bounds: as above.
    self.init(localName: parts[1], secret: Array(parts[2].utf8), addresses: addresses)
  }
}

extension HostAndPort {
  /// By which others may reach a listener on all of this host's addresses, in the order in which they are
  /// worth trying: whoever answers must prove to be it.
  package static func ofThisHost(port: UInt16) -> [HostAndPort] {
    var text = [CChar](repeating: 0, count: 4096)
    let isKnown = cbootstrap_local_addresses(&text, text.count) == 0
    let lines =
      isKnown ? String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
    let numeric = lines.split(separator: "\n").map(String.init)
    return (numeric + [Member.currentHostName(), "127.0.0.1", "::1"]).map {
      HostAndPort(host: $0, port: port)
    }
  }
}
