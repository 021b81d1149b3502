/// A process of the job, as messages to users name it.
public struct Member: Sendable, Hashable {
  /// Its process id on its host.
  public let processID: Int32
  public let hostName: String
  /// The file name of its program.
  public let programName: String

  public init(processID: Int32, hostName: String, programName: String) {
    self.processID = processID
    self.hostName = hostName
    self.programName = programName
  }
}

extension Member {
  func append(to writer: inout PayloadWriter) {
    writer.append(processID)
    writer.append(hostName)
    writer.append(programName)
  }

  init?(from reader: inout PayloadReader) {
    guard let processID = reader.takeInt32(), let hostName = reader.takeString(),
      let programName = reader.takeString()
    else { return nil }
    self.init(processID: processID, hostName: hostName, programName: programName)
  }
}

/// A node's first message. The node's end of the events channel stays with it, the other end
/// travels along and is closed here with the message.
struct Hello {
  var protocolVersion = RendezvousMessage.protocolVersion
  var node: Int
  var nodeCount: Int
  /// 0: as the launcher says.
  var timeoutMilliseconds: Int
  var member: Member

  func message(eventDescriptor: Int32) -> RendezvousMessage {
    var writer = PayloadWriter()
    writer.append(protocolVersion)
    writer.append(UInt32(node))
    writer.append(UInt32(nodeCount))
    writer.append(UInt64(timeoutMilliseconds))
    member.append(to: &writer)
    return RendezvousMessage(kind: .hello, payload: writer.bytes, descriptors: .owned([eventDescriptor]))
  }
}

extension Hello {
  init?(_ message: RendezvousMessage) {
    var reader = PayloadReader(message.payload)
    guard let version = reader.takeUInt32() else { return nil }
    // What follows belongs to the version: another one's is not read.
    guard version == RendezvousMessage.protocolVersion else {
      let nobody = Member(processID: 0, hostName: "", programName: "")
      self.init(protocolVersion: version, node: 0, nodeCount: 0, timeoutMilliseconds: 0, member: nobody)
      return
    }
    guard let node = reader.takeUInt32(), let nodeCount = reader.takeUInt32(),
      let timeout = reader.takeUInt64(), let member = Member(from: &reader)
    else { return nil }
    self.init(
      node: Int(node), nodeCount: Int(nodeCount), timeoutMilliseconds: Int(clamping: timeout),
      member: member)
  }
}

/// The answer to a hello.
struct Welcome {
  var secret: (UInt64, UInt64)
  var members: [Member]

  func message() -> RendezvousMessage {
    var writer = PayloadWriter()
    writer.append(secret.0)
    writer.append(secret.1)
    writer.append(UInt32(members.count))
    for member in members { member.append(to: &writer) }
    return RendezvousMessage(kind: .welcome, payload: writer.bytes)
  }
}

extension Welcome {
  init?(_ message: RendezvousMessage) {
    var reader = PayloadReader(message.payload)
    guard let first = reader.takeUInt64(), let second = reader.takeUInt64(),
      let count = reader.takeUInt32()
    else { return nil }
    var members: [Member] = []
    for _ in 0..<count {
      guard let member = Member(from: &reader) else { return nil }
      members.append(member)
    }
    self.init(secret: (first, second), members: members)
  }
}

/// Several nodes' bytes in one payload: counts first.
enum Contributions {
  static func encode(_ contributions: [[UInt8]]) -> [UInt8] {
    var writer = PayloadWriter()
    for bytes in contributions { writer.append(UInt64(bytes.count)) }
    for bytes in contributions { writer.append(contentsOf: bytes) }
    return writer.bytes
  }

  static func decode(_ payload: [UInt8], nodeCount: Int) -> [[UInt8]]? {
    var reader = PayloadReader(payload)
    var counts: [Int] = []
    for _ in 0..<nodeCount {
      guard let count = reader.takeUInt64() else { return nil }
      counts.append(Int(clamping: count))
    }
    var contributions: [[UInt8]] = []
    for count in counts {
      guard let bytes = reader.takeBytes(count) else { return nil }
      contributions.append(Array(bytes))
    }
    return contributions
  }
}

extension RendezvousMessage {
  /// A failure on the calls channel, or news of a loss on the events channel.
  init(_ kind: Kind, _ error: BootstrapError) {
    var writer = PayloadWriter()
    writer.append(error.kind.rawValue)
    writer.append(Int32(error.node ?? -1))
    writer.append(error.description)
    self.init(kind: kind, payload: writer.bytes)
  }

  /// The error that a failure or a loss carries.
  var error: BootstrapError? {
    var reader = PayloadReader(payload)
    guard let rawKind = reader.takeUInt32(), let kind = BootstrapError.Kind(rawValue: rawKind),
      let node = reader.takeInt32(), let sentence = reader.takeString()
    else { return nil }
    return BootstrapError(kind, node: node < 0 ? nil : Int(node), sentence)
  }

  static func abort(code: Int32) -> RendezvousMessage {
    var writer = PayloadWriter()
    writer.append(code)
    return RendezvousMessage(kind: .abort, payload: writer.bytes)
  }

  var abortCode: Int32? {
    var reader = PayloadReader(payload)
    return reader.takeInt32()
  }

  /// One datagram of the events channel.
  func datagram() -> [UInt8] { RendezvousHeader(self).encoded() + payload }

  init?(datagram bytes: [UInt8]) {
    guard bytes.count >= RendezvousHeader.byteCount,
      let header = RendezvousHeader(Array(bytes[..<RendezvousHeader.byteCount])),
      bytes.count == RendezvousHeader.byteCount + header.payloadByteCount
    else { return nil }
    self.init(kind: header.kind, payload: Array(bytes[RendezvousHeader.byteCount...]))
  }
}
