/// How the two ends of a TCP connection convince each other that both have the job's secret, before either
/// takes anything else from the other. Pieces of fixed size, so nobody can announce a large one:
///
///     joiner                          server
///       greeting: version, nonce  →
///                                 ←     challenge: version, nonce, the job's nonce
///       proof of the joiner       →
///                                 ←     proof of the server; or it closes the connection
///
/// A proof is the HMAC-SHA-256, keyed with the secret's bytes, of the prover's role, the greeting and the
/// challenge: it is worth nothing in another connection (fresh nonces) nor in the other direction (roles).
/// The joiner proves first, so a stranger gets random bytes from the server and nothing else.
enum Handshake {
  enum Role: String {
    case joiner
    case server
  }

  static let nonceByteCount = 32
  // In range: constants.
  static let greetingByteCount = preamble.count + nonceByteCount
  static let challengeByteCount = preamble.count + 2 * nonceByteCount
  static let proofByteCount = SHA256.digestByteCount
  /// From the connection to the first message after the proofs.
  static let timeLimitMilliseconds = 5000
  /// Of who has proven to belong here, or is a process of this machine, to say what it is.
  static let secondTimeLimitMilliseconds = 10_000

  private static let magic = Array("MERINO".utf8)
  private static let version = UInt8(truncatingIfNeeded: RendezvousMessage.protocolVersion)
  private static let preamble = magic + [version, 0]

  private static func joined(_ parts: [UInt8]...) -> [UInt8] { parts.flatMap { $0 } }

  static func makeNonce() throws(BootstrapError) -> [UInt8] {
    let (one, other) = (try JobSecret.make(), try JobSecret.make())
    var writer = PayloadWriter()
    for word in [one.0, one.1, other.0, other.1] { writer.append(word) }
    return writer.bytes
  }

  static func greeting(nonce: [UInt8]) -> [UInt8] { joined(preamble, nonce) }
  static func challenge(nonce: [UInt8], jobNonce: [UInt8]) -> [UInt8] { joined(preamble, nonce, jobNonce) }

  enum Preamble: Equatable {
    case good, stranger
    case otherVersion(Int)
    /// So far nothing speaks against it.
    case incomplete
  }

  /// What the first bytes of the other end say, however few have come.
  static func check(_ message: some Collection<UInt8>) -> Preamble {
    guard message.starts(with: magic.prefix(message.count)) else { return .stranger }
    guard let theirs = message.dropFirst(magic.count).first else { return .incomplete }
    guard theirs == version else { return .otherVersion(Int(clamping: theirs)) }
    guard message.starts(with: preamble.prefix(message.count)) else { return .stranger }
    return message.count < preamble.count ? .incomplete : .good
  }

  static func jobNonce(inChallenge challenge: [UInt8]) -> [UInt8] { Array(challenge.suffix(nonceByteCount)) }

  static func proof(of role: Role, secret: [UInt8], greeting: [UInt8], challenge: [UInt8]) -> [UInt8] {
    HMAC.code(key: secret, joined(Array("merino \(role.rawValue) proof\n".utf8), greeting, challenge))
  }

  /// The job's 128 bits, which both ends compute and nobody sends.
  static func jobSecret(secret: [UInt8], jobNonce: [UInt8]) -> (UInt64, UInt64) {
    var reader = PayloadReader(HMAC.code(key: secret, joined(Array("merino job secret\n".utf8), jobNonce)))
    // A code has 32 bytes: both words are there.
    return (reader.takeUInt64() ?? 0, reader.takeUInt64() ?? 0)
  }
}
