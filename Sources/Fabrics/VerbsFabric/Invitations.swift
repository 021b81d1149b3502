import Fabric
import Verbs

// What nodes tell each other to get connected, taken apart here: nothing of another node's ends this one.

/// Where a node listens: its port (2 bytes, low first), then the address as text.
struct AddressInvitation {
  let host: String
  let port: Int

  static func bytes(host: String, port: Int) -> [UInt8] {
    [[UInt8(truncatingIfNeeded: port), UInt8(truncatingIfNeeded: port >> 8)], Array(host.utf8)].flatMap { $0 }
  }

  /// `nil` where no address is named.
  init?(_ bytes: [UInt8]) {
    var rest = bytes[...]
    guard let low = rest.popFirst(), let high = rest.popFirst(), !rest.isEmpty else { return nil }
    port = Int(clamping: UInt16(truncatingIfNeeded: low) | UInt16(truncatingIfNeeded: high) << 8)
    host = String(decoding: rest, as: UTF8.self)
  }
}

/// Path MTU, READs served, then for each connection number the address of the node's end.
struct ExchangeInvitation {
  let pathMTU: PathMTU
  let readsServed: Int
  private let addresses: ArraySlice<UInt8>

  static func bytes(pathMTU: PathMTU, readsServed: Int, addresses: [UInt8]) -> [UInt8] {
    [[UInt8(clamping: pathMTU.rawValue), UInt8(clamping: readsServed)], addresses].flatMap { $0 }
  }

  /// `nil` where it is not as long as for so many ends, or names no path MTU.
  init?(_ bytes: [UInt8], endCount: Int) {
    var rest = bytes[...]
    guard let mtu = rest.popFirst(), let reads = rest.popFirst(),
      rest.count == endCount.multipliedReportingOverflow(by: QueuePairAddress.byteCount).partialValue
    else { return nil }
    pathMTU = PathMTU(rawValue: UInt32(truncatingIfNeeded: mtu))
    guard mtu > 0 else { return nil }
    readsServed = Int(clamping: reads)
    addresses = rest
  }

  /// Of an end; `nil` where there is none, or none that a queue pair can have.
  func address(_ index: Int) -> QueuePairAddress? {
    let (start, isBeyond) = index.multipliedReportingOverflow(by: QueuePairAddress.byteCount)
    guard !isBeyond, start >= 0 else { return nil }
    return QueuePairAddress(bytes: Array(addresses.dropFirst(start).prefix(QueuePairAddress.byteCount)))
  }
}

/// Where a node's memory is, and the key to its control memory: three words, low bytes first.
struct MemoryAnnouncement {
  let controlAddress: UInt64
  let framesAddress: UInt64
  let controlKey: UInt32
  static let byteCount = 24

  static func bytes(controlAddress: UInt64, framesAddress: UInt64, controlKey: UInt32) -> [UInt8] {
    [controlAddress, framesAddress, UInt64(truncatingIfNeeded: controlKey)].littleEndianBytes
  }

  /// - Throws: what is wrong with it, a sentence that names the node.
  init(_ bytes: [UInt8], of peer: NodeID, controlByteCount: Int, framesByteCount: Int)
    throws(VerbsFabricError)
  {
    guard bytes.count == Self.byteCount else {
      throw .refused(
        "could not join: node \(peer) announced its memory in \(bytes.count) bytes, not in \(Self.byteCount)."
      )
    }
    var words = bytes.littleEndianWords(3)[...]
    (controlAddress, framesAddress) = (words.popFirst() ?? 0, words.popFirst() ?? 0)
    controlKey = UInt32(truncatingIfNeeded: words.popFirst() ?? 0)
    // Whoever uses them adds to them.
    for (address, byteCount) in [(controlAddress, controlByteCount), (framesAddress, framesByteCount)] {
      guard !address.addingReportingOverflow(UInt64(clamping: byteCount)).overflow else {
        throw .refused(
          "could not join: node \(peer) announced \(byteCount) bytes of memory at "
            + "0x\(String(address, radix: 16)), which is beyond all addresses.")
      }
    }
  }
}
