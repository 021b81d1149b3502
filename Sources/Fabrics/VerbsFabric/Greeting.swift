import Fabric
import Verbs

/// The private data of a request for a connection: four letters, the job's secret, the caller's node and lane.
struct Greeting {
  private static let mark: [UInt8] = Array("MRN1".utf8)
  private static let byteCount = 26
  private let head: [UInt8]

  init(secret: (UInt64, UInt64)) {
    let words = [secret.0, secret.1].flatMap { word in
      stride(from: 0, to: 64, by: 8).map { UInt8(truncatingIfNeeded: word >> $0) }
    }
    head = [Self.mark, words].flatMap { $0 }
  }

  /// What the caller offers.
  func offer(_ settings: VerbsSettings, node: NodeID, lane: Int) -> ConnectionOffer {
    var offer = ConnectionOffer()
    offer.retryCount = settings.retryCount
    let number = stride(from: 0, to: 32, by: 8).map { UInt8(truncatingIfNeeded: node >> $0) }
    offer.privateData = [head, number, [UInt8(truncatingIfNeeded: lane), 0]].flatMap { $0 }
    return offer
  }

  /// Who sent it; `nil` where it does not carry the secret. Takes as long for every wrong secret.
  func sender(_ privateData: [UInt8]) -> (node: NodeID, lane: Int)? {
    // InfiniBand pads with zeros.
    guard privateData.count >= Self.byteCount else { return nil }
    var difference: UInt8 = 0
    for (mine, theirs) in zip(head, privateData) { difference |= mine ^ theirs }
    var rest = privateData.dropFirst(head.count)
    guard difference == 0 else { return nil }
    let node = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int(clamping: $1) }
    rest = rest.dropFirst(4)
    return rest.first.map { (node, Int(clamping: $0)) }
  }
}
