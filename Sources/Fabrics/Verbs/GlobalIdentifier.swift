import CVerbs

/// A port's 128-bit address (GID). On RoCE it holds an IP address.
public struct GlobalIdentifier: Hashable, Sendable, CustomStringConvertible {
  /// The first eight bytes as a big-endian number: the subnet prefix.
  public var prefix: UInt64
  /// The last eight bytes as a big-endian number: the interface.
  public var interface: UInt64

  /// A GID of its two halves, as big-endian numbers.
  public init(prefix: UInt64, interface: UInt64) {
    self.prefix = prefix
    self.interface = interface
  }

  init(_ gid: ibv_gid) {
    self.init(
      prefix: UInt64(bigEndian: gid.global.subnet_prefix),
      interface: UInt64(bigEndian: gid.global.interface_id))
  }

  var gid: ibv_gid {
    var gid = ibv_gid()
    gid.global.subnet_prefix = prefix.bigEndian
    gid.global.interface_id = interface.bigEndian
    return gid
  }

  /// True for an entry of the table that holds nothing.
  public var isZero: Bool { prefix == 0 && interface == 0 }

  /// True for fe80::/10, reachable on the same link only.
  public var isLinkLocal: Bool { prefix >> 54 == 0x3FA }

  /// The IPv4 address in a RoCE GID ("::ffff:a.b.c.d"), as a big-endian number; nil for another.
  public var ipv4: UInt32? {
    prefix == 0 && interface >> 32 == 0xFFFF ? UInt32(truncatingIfNeeded: interface) : nil
  }

  /// As `ibv_devinfo` writes it; an IPv4 address as such.
  public var description: String {
    if let ipv4 {
      return (0..<4).map { String(ipv4 >> (24 - 8 * $0) & 0xFF) }.joined(separator: ".")
    }
    let groups = (0..<8).map { group -> String in
      let half = group < 4 ? prefix : interface
      let digits = String(half >> UInt64(48 - 16 * (group % 4)) & 0xFFFF, radix: 16)
      return String(repeating: "0", count: 4 - digits.count) + digits
    }
    return groups.joined(separator: ":")
  }
}

/// An entry of a port's GID table.
public struct GlobalIdentifierEntry: Hashable, Sendable {
  /// Its place in the table, for `QueuePair.becomeReadyToReceive`.
  public var index: Int
  /// The address.
  public var identifier: GlobalIdentifier
}
