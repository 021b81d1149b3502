import Platform

/// The language between a node and the launcher. Two channels, both streams: *calls* (the node asks, the
/// server answers, one at a time) and *events*. What happens at any time (a node was lost) comes as an
/// event, so it never gets in between the call of a node and its answer. On one machine the events channel is
/// a pair of sockets whose one end the node passes along with its hello; over TCP it is a second connection,
/// made first, which the hello claims by a token.
///
///     events, over TCP: token   →
///                               ←     answer
///     node                            server
///       hello + event socket    →
///                               ←     admitted: which node it is, at once
///                               ←     welcome, once every node has said hello
///       exchange, descriptors,
///       barrier                 →
///                               ←     answer, once every node has asked for the same
///       leave                   →
///                               ←     answer, at once
///                               ←     failure, in place of any answer above
struct RendezvousMessage {
  enum Kind: UInt32 {
    case hello = 1
    case welcome
    case exchange
    case exchangeDescriptors
    case barrier
    case leave
    case answer
    case failure
    // On the events channel:
    case peerLost
    case abort
    case attachEvents
    case admitted
    // Between the launcher and its outposts on other hosts:
    case outpostHello
    case outpostWelcome
    case outpostReport
    case outpostOrder

    /// What the user calls it.
    var name: String {
      switch self {
      case .exchange: "an exchange of bytes"
      case .exchangeDescriptors: "an exchange of descriptors"
      case .barrier: "a barrier"
      case .leave: "leaving the job"
      default: "joining"
      }
    }
  }

  /// Both sides compare it: a launcher and a library of different versions say so.
  static let protocolVersion: UInt32 = 2
  /// Bytes that one node may contribute to an exchange.
  static let contributionByteLimit = 16 << 20
  /// Bytes of one message, hence of an exchange's result.
  static let byteLimit = 1 << 30

  var kind: Kind
  var payload: [UInt8] = []
  var descriptors = PassedDescriptors()
}

/// The 24 bytes before every payload.
struct RendezvousHeader {
  static let byteCount = 24
  private static let magic: UInt32 = 0x314E_524D  // "MRN1"

  let kind: RendezvousMessage.Kind
  let payloadByteCount: Int
  let descriptorCount: Int

  func encoded() -> [UInt8] {
    var writer = PayloadWriter()
    writer.append(Self.magic)
    writer.append(kind.rawValue)
    writer.append(UInt64(clamping: payloadByteCount))
    writer.append(UInt64(clamping: descriptorCount))
    return writer.bytes
  }

  /// `nil` for what is no header, or announces more than anybody sends.
  init?(_ bytes: [UInt8]) {
    var reader = PayloadReader(bytes)
    guard let magic = reader.takeUInt32(), magic == Self.magic,
      let rawKind = reader.takeUInt32(), let kind = RendezvousMessage.Kind(rawValue: rawKind),
      let payload = reader.takeUInt64(), payload <= RendezvousMessage.byteLimit,
      let descriptors = reader.takeUInt64(), descriptors <= 1 << 20
    else { return nil }
    self.kind = kind
    payloadByteCount = Int(clamping: payload)
    descriptorCount = Int(clamping: descriptors)
  }

  init(_ message: RendezvousMessage) {
    kind = message.kind
    payloadByteCount = message.payload.count
    descriptorCount = message.descriptors.numbers.count
  }
}

/// Little-endian integers and counted strings, one after another.
struct PayloadWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ text: String) {
    append(UInt32(clamping: text.utf8.count))
    bytes.append(contentsOf: text.utf8)
  }

  mutating func append(contentsOf raw: [UInt8]) { bytes.append(contentsOf: raw) }
}

/// Reads what `PayloadWriter` wrote; `nil` once the bytes do not suffice.
struct PayloadReader {
  private let bytes: [UInt8]
  private(set) var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  private mutating func take<T: FixedWidthInteger>(_: T.Type) -> T? {
    guard let raw = takeBytes(MemoryLayout<T>.size) else { return nil }
    return raw.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(as: T.self)) }
  }

  mutating func takeUInt32() -> UInt32? { take(UInt32.self) }
  mutating func takeUInt64() -> UInt64? { take(UInt64.self) }
  mutating func takeInt32() -> Int32? { take(Int32.self) }

  mutating func takeBytes(_ count: Int) -> ArraySlice<UInt8>? {
    guard count >= 0, count <= bytes.count &- position else { return nil }
    defer { position &+= count }
    // In bounds: looked at just now; the position never passes the end.
    return bytes[position..<position + count]
  }

  mutating func takeString() -> String? {
    guard let count = takeUInt32(), let text = takeBytes(Int(clamping: count)) else { return nil }
    return String(decoding: text, as: UTF8.self)
  }
}
