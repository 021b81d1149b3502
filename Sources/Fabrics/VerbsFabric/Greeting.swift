import Fabric
import Platform
import Verbs

/// The private data of a request for a connection: four letters, the job's secret, the caller's node and
/// lane.
struct Greeting {
  private static let mark: [UInt8] = Array("MRN1".utf8)
  private static let byteCount = 26
  private let head: [UInt8]

  init(secret: (UInt64, UInt64)) {
    head = [Self.mark, [secret.0, secret.1].littleEndianBytes].flatMap { $0 }
  }

  /// What the caller offers.
  func offer(_ settings: VerbsSettings, node: NodeID, lane: Lane) -> ConnectionOffer {
    var offer = ConnectionOffer()
    offer.retryCount = settings.retryCount
    let number = [UInt64(truncatingIfNeeded: node.number)].littleEndianBytes.prefix(4)
    offer.privateData = [head, Array(number), [UInt8(truncatingIfNeeded: lane.number), 0]].flatMap { $0 }
    return offer
  }

  /// Who sent it; `nil` where it does not carry the secret. Takes as long for every wrong secret.
  func sender(_ privateData: [UInt8]) -> (node: NodeID, lane: Lane)? {
    // InfiniBand pads with zeros.
    guard privateData.count >= Self.byteCount else { return nil }
    var difference: UInt8 = 0
    for (mine, theirs) in zip(head, privateData) { difference |= mine ^ theirs }
    var rest = privateData.dropFirst(head.count)
    guard difference == 0 else { return nil }
    let node = rest.prefix(4).littleEndianWords(1).first
    rest = rest.dropFirst(4)
    guard let node, let lane = rest.first else { return nil }
    return (NodeID(Int(clamping: node)), Lane(Int(clamping: lane)))
  }
}
