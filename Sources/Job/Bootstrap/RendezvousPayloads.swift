/// A process of the job, as messages to users name it.
public struct Member: Sendable, Hashable {
  /// Its process id on its host.
  public let processID: Int32
  public let hostName: String
  /// Equal for two processes that are on one running system and in one namespace of processes, so that they
  /// can share memory; the system's boot id is in it.
  public let machine: String
  /// The file name of its program.
  public let programName: String

  public init(processID: Int32, hostName: String, machine: String, programName: String) {
    self.processID = processID
    self.hostName = hostName
    self.machine = machine
    self.programName = programName
  }
}

extension Member {
  func append(to writer: inout PayloadWriter) {
    writer.append(processID)
    writer.append(hostName)
    writer.append(machine)
    writer.append(programName)
  }

  init?(from reader: inout PayloadReader) {
    guard let processID = reader.takeInt32(), let hostName = reader.takeString(),
      let machine = reader.takeString(), let programName = reader.takeString()
    else { return nil }
    self.init(processID: processID, hostName: hostName, machine: machine, programName: programName)
  }
}

/// A node's first message. On one machine the other end of its events channel travels along and is closed
/// here with the message; over TCP the token says which connection is its events channel.
struct Hello {
  static let tokenByteCount = 16

  var protocolVersion = RendezvousMessage.protocolVersion
  /// `nil`, over TCP: as the launcher says.
  var node: Int?
  var nodeCount: Int?
  var eventsToken = [UInt8](repeating: 0, count: tokenByteCount)
  /// 0: as the launcher says.
  var timeoutMilliseconds: Int
  var member: Member

  func message(eventDescriptor: Int32?) -> RendezvousMessage {
    var writer = PayloadWriter()
    writer.append(protocolVersion)
    writer.append(Int32(clamping: node ?? -1))
    writer.append(Int32(clamping: nodeCount ?? -1))
    writer.append(UInt64(clamping: timeoutMilliseconds))
    writer.append(contentsOf: eventsToken)
    member.append(to: &writer)
    let descriptors = eventDescriptor.map { [$0] } ?? []
    return RendezvousMessage(kind: .hello, payload: writer.bytes, descriptors: .owned(descriptors))
  }
}

extension Hello {
  init?(_ message: RendezvousMessage) {
    var reader = PayloadReader(message.payload)
    guard let version = reader.takeUInt32() else { return nil }
    // What follows belongs to the version: another one's is not read.
    guard version == RendezvousMessage.protocolVersion else {
      let nobody = Member.nobody
      self.init(protocolVersion: version, node: 0, nodeCount: 0, timeoutMilliseconds: 0, member: nobody)
      return
    }
    guard let node = reader.takeInt32(), let nodeCount = reader.takeInt32(),
      let timeout = reader.takeUInt64(), let token = reader.takeBytes(Self.tokenByteCount),
      let member = Member(from: &reader)
    else { return nil }
    self.init(
      node: node < 0 ? nil : Int(clamping: node), nodeCount: nodeCount < 0 ? nil : Int(clamping: nodeCount),
      eventsToken: Array(token), timeoutMilliseconds: Int(clamping: timeout), member: member)
  }
}

/// The answer to a hello.
struct Welcome {
  /// Zeros over TCP: who is there knows it without being told.
  var secret: (UInt64, UInt64)
  /// Every node is on the launcher's own socket, which passes descriptors.
  var passesDescriptors: Bool
  var members: [Member]

  func message() -> RendezvousMessage {
    var writer = PayloadWriter()
    writer.append(secret.0)
    writer.append(secret.1)
    writer.append(passesDescriptors ? 1 as UInt32 : 0)
    writer.append(UInt32(clamping: members.count))
    for member in members { member.append(to: &writer) }
    return RendezvousMessage(kind: .welcome, payload: writer.bytes)
  }
}

extension Welcome {
  init?(_ message: RendezvousMessage) {
    var reader = PayloadReader(message.payload)
    guard let first = reader.takeUInt64(), let second = reader.takeUInt64(),
      let passes = reader.takeUInt32(), let count = reader.takeUInt32(),
      (1...Job.maximumNodeCount).contains(Int(clamping: count))
    else { return nil }
    var members: [Member] = []
    for _ in 0..<count {
      guard let member = Member(from: &reader) else { return nil }
      members.append(member)
    }
    self.init(secret: (first, second), passesDescriptors: passes == 1, members: members)
  }
}

/// Several nodes' bytes in one payload: counts first.
enum Contributions {
  static func encode(_ contributions: [[UInt8]]) -> [UInt8] {
    var writer = PayloadWriter()
    for bytes in contributions { writer.append(UInt64(clamping: bytes.count)) }
    for bytes in contributions { writer.append(contentsOf: bytes) }
    return writer.bytes
  }

  /// Equally many of each node; `nil` where there are others than that.
  static func parts(_ all: [Int32], nodeCount: Int, count: Int) -> [[Int32]]? {
    let (wanted, isTooMany) = nodeCount.multipliedReportingOverflow(by: count)
    guard !isTooMany, all.count == wanted else { return nil }
    // In bounds: each takes its own `count` of as many.
    return (0..<nodeCount).map { Array(all[$0 * count..<($0 + 1) * count]) }
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
    writer.append(Int32(clamping: error.node ?? -1))
    writer.append(error.description)
    self.init(kind: kind, payload: writer.bytes)
  }

  /// The error that a failure or a loss carries; without a node where the number can be nobody's.
  var error: BootstrapError? {
    var reader = PayloadReader(payload)
    guard let rawKind = reader.takeUInt32(), let kind = BootstrapError.Kind(rawValue: rawKind),
      let node = reader.takeInt32(), let sentence = reader.takeString()
    else { return nil }
    let number = Int(clamping: node)
    return BootstrapError(
      kind, node: (0..<Job.maximumNodeCount).contains(number) ? number : nil, sentence)
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

  /// As it is on the stream, without descriptors.
  func encoded() -> [UInt8] { [RendezvousHeader(self).encoded(), payload].flatMap { $0 } }

  /// Which node the process that said hello is.
  static func admitted(node: Int) -> RendezvousMessage {
    var writer = PayloadWriter()
    writer.append(Int32(clamping: node))
    return RendezvousMessage(kind: .admitted, payload: writer.bytes)
  }

  var admittedNode: Int? {
    var reader = PayloadReader(payload)
    return reader.takeInt32().map { Int(clamping: $0) }
  }
}
