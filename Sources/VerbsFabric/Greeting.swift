import Fabric
import Verbs

/// The private data of a request for a connection: four letters, the job's secret, the caller's node and lane.
struct Greeting {
  private static let mark: [UInt8] = Array("MRN1".utf8)
  private static let byteCount = 26
  private let head: [UInt8]

  init(secret: (UInt64, UInt64)) {
    head =
      Self.mark
      + [secret.0, secret.1].flatMap { word in
        (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64($0 * 8)) }
      }
  }

  /// What the caller offers.
  func offer(_ settings: VerbsSettings, node: NodeID, lane: Int) -> ConnectionOffer {
    var offer = ConnectionOffer()
    offer.retryCount = settings.retryCount
    offer.privateData =
      head + (0..<4).map { UInt8(truncatingIfNeeded: node >> ($0 * 8)) } + [UInt8(lane), 0]
    return offer
  }

  /// Who sent it; `nil` where it does not carry the secret. Takes as long for every wrong secret.
  func sender(_ privateData: [UInt8]) -> (node: NodeID, lane: Int)? {
    // InfiniBand pads with zeros.
    guard privateData.count >= Self.byteCount else { return nil }
    var difference: UInt8 = 0
    for index in head.indices { difference |= head[index] ^ privateData[index] }
    guard difference == 0 else { return nil }
    let node = (0..<4).reduce(0) { $0 | Int(privateData[head.count + $1]) << ($1 * 8) }
    return (node, Int(privateData[head.count + 4]))
  }
}
