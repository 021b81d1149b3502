/// What an *outpost* (`merino run --join`, on another host) and the launcher say to each other. The outpost
/// starts the nodes of its host and ends them; what becomes of the job is the launcher's to decide.
package struct OutpostHello: Sendable {
  /// Which entry of `--hosts` it was started for; `nil` where somebody started it by hand.
  package var entry: Int?
  package var nodeCount: Int
  package var hostName: String

  package init(entry: Int?, nodeCount: Int, hostName: String) {
    self.entry = entry
    self.nodeCount = nodeCount
    self.hostName = hostName
  }

  func message() -> RendezvousMessage {
    var writer = PayloadWriter()
    writer.append(RendezvousMessage.protocolVersion)
    writer.append(Int32(clamping: entry ?? -1))
    writer.append(Int32(clamping: nodeCount))
    writer.append(hostName)
    return RendezvousMessage(kind: .outpostHello, payload: writer.bytes)
  }

  init?(_ message: RendezvousMessage) {
    var reader = PayloadReader(message.payload)
    guard reader.takeUInt32() == RendezvousMessage.protocolVersion, let entry = reader.takeInt32(),
      let nodeCount = reader.takeInt32(), let hostName = reader.takeString()
    else { return nil }
    self.init(
      entry: entry < 0 ? nil : Int(clamping: entry), nodeCount: Int(clamping: nodeCount), hostName: hostName)
  }
}

/// The launcher's answer: what the outpost is to start.
package struct OutpostWelcome: Sendable {
  package var nodes: [Int]
  package var nodeCount: Int
  package var joinTimeoutMilliseconds: Int
  /// Empty where nothing was chosen.
  package var fabric: String

  func message() -> RendezvousMessage {
    var writer = PayloadWriter()
    writer.append(Int32(clamping: nodeCount))
    writer.append(UInt64(clamping: joinTimeoutMilliseconds))
    writer.append(fabric)
    for node in nodes { writer.append(Int32(clamping: node)) }
    return RendezvousMessage(kind: .outpostWelcome, payload: writer.bytes)
  }

  init(nodes: [Int], nodeCount: Int, joinTimeoutMilliseconds: Int, fabric: String) {
    self.nodes = nodes
    self.nodeCount = nodeCount
    self.joinTimeoutMilliseconds = joinTimeoutMilliseconds
    self.fabric = fabric
  }

  init?(_ message: RendezvousMessage) {
    var reader = PayloadReader(message.payload)
    guard message.kind == .outpostWelcome, let nodeCount = reader.takeInt32(),
      (1...Job.maximumNodeCount).contains(Int(clamping: nodeCount)),
      let timeout = reader.takeUInt64(), timeout <= JobEnvironment.longestJoinTimeoutMilliseconds,
      let fabric = reader.takeString()
    else { return nil }
    var nodes: [Int] = []
    while let node = reader.takeInt32() {
      // Each once and in order, as the launcher gives them: so there are never more than the job has.
      guard node > nodes.last ?? -1, node < nodeCount else { return nil }
      nodes.append(Int(clamping: node))
    }
    self.init(
      nodes: nodes, nodeCount: Int(clamping: nodeCount), joinTimeoutMilliseconds: Int(clamping: timeout),
      fabric: fabric
    )
  }
}

/// What an outpost tells the launcher.
package enum OutpostReport: Sendable {
  case started(node: Int, process: Int32, programName: String)
  /// `status` as waitpid(2) has it.
  case ended(node: Int, status: Int32)
  /// Something could not be started; a full sentence.
  case failed(exitCode: Int32, sentence: String)
  /// Nothing of the job is left on that host.
  case gone

  func message() -> RendezvousMessage {
    var writer = PayloadWriter()
    switch self {
    case .started(let node, let process, let programName):
      writer.append(UInt32(1))
      writer.append(Int32(clamping: node))
      writer.append(process)
      writer.append(programName)
    case .ended(let node, let status):
      writer.append(UInt32(2))
      writer.append(Int32(clamping: node))
      writer.append(status)
    case .failed(let exitCode, let sentence):
      writer.append(UInt32(3))
      writer.append(exitCode)
      writer.append(sentence)
    case .gone: writer.append(UInt32(4))
    }
    return RendezvousMessage(kind: .outpostReport, payload: writer.bytes)
  }

  init?(_ message: RendezvousMessage) {
    var reader = PayloadReader(message.payload)
    guard message.kind == .outpostReport, let kind = reader.takeUInt32() else { return nil }
    switch kind {
    case 1:
      guard let node = reader.takeInt32(), let process = reader.takeInt32(), let name = reader.takeString()
      else { return nil }
      self = .started(node: Int(clamping: node), process: process, programName: name)
    case 2:
      guard let node = reader.takeInt32(), let status = reader.takeInt32() else { return nil }
      self = .ended(node: Int(clamping: node), status: status)
    case 3:
      guard let code = reader.takeInt32(), let sentence = reader.takeString() else { return nil }
      self = .failed(exitCode: code, sentence: sentence)
    case 4: self = .gone
    default: return nil
    }
  }
}

/// What the launcher tells an outpost.
package enum OutpostOrder: Sendable {
  /// Send the nodes this signal.
  case signal(Int32)
  /// End what runs; the sentence says why, and is empty where all is well.
  case end(sentence: String)
  /// The job is over, with this exit code.
  case over(exitCode: Int32)

  func message() -> RendezvousMessage {
    var writer = PayloadWriter()
    switch self {
    case .signal(let number):
      writer.append(UInt32(1))
      writer.append(number)
    case .end(let sentence):
      writer.append(UInt32(2))
      writer.append(sentence)
    case .over(let exitCode):
      writer.append(UInt32(3))
      writer.append(exitCode)
    }
    return RendezvousMessage(kind: .outpostOrder, payload: writer.bytes)
  }

  init?(_ message: RendezvousMessage) {
    var reader = PayloadReader(message.payload)
    guard message.kind == .outpostOrder, let kind = reader.takeUInt32() else { return nil }
    switch kind {
    case 1:
      guard let number = reader.takeInt32() else { return nil }
      self = .signal(number)
    case 2:
      guard let sentence = reader.takeString() else { return nil }
      self = .end(sentence: sentence)
    case 3:
      guard let code = reader.takeInt32() else { return nil }
      self = .over(exitCode: code)
    default: return nil
    }
  }
}
