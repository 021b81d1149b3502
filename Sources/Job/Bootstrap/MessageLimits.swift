/// What one message may have, by who says it and when: a header that announces more is the end of the
/// connection, and nothing is set aside for it.
struct MessageLimits: Sendable {
  /// Of the payload.
  var byteCount: Int
  var descriptorCount: Int

  /// Of somebody who has not been admitted yet: names of a process and its host, the end of an events
  /// channel.
  static let newcomer = MessageLimits(byteCount: 1 << 14, descriptorCount: 1)
  /// Of a node, on its calls channel: its part of an exchange.
  static let node = MessageLimits(
    byteCount: RendezvousMessage.contributionByteLimit, descriptorCount: 1 << 16)
  /// Of a node on its events channel, of an outpost, of the launcher to an outpost: numbers and a sentence.
  static let report = MessageLimits(byteCount: 1 << 16, descriptorCount: 0)
  /// Of the server to a node: the parts of all nodes.
  static let server = MessageLimits(byteCount: RendezvousMessage.byteLimit, descriptorCount: 1 << 20)

  /// Why a message is not taken; `nil` where it is.
  func objection(to header: RendezvousHeader) -> BootstrapError? {
    if header.payloadByteCount > byteCount {
      return .violation(
        "announced a message of \(header.payloadByteCount) bytes where \(byteCount) are the most")
    }
    if header.descriptorCount > descriptorCount {
      return .violation(
        "announced \(header.descriptorCount) descriptors where \(descriptorCount) are the most")
    }
    return nil
  }
}

extension BootstrapError {
  /// The other end did what nobody does who speaks this protocol; `what` goes on from "the other end of the
  /// rendezvous socket".
  static func violation(_ what: String) -> BootstrapError {
    BootstrapError(
      .protocolViolation,
      "the other end of the rendezvous socket \(what); use the launcher (merino run) and the library of one "
        + "build."
    )
  }
}
