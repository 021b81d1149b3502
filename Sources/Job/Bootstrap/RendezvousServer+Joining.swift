import CBootstrap
import CPlatform
import Glibc

/// Hello and welcome, and the time limit between the two.
extension RendezvousServer {
  func serveHello(_ message: RendezvousMessage, of connection: ServerConnection) {
    noLongerNew(connection)
    guard message.kind == .hello, let hello = Hello(message), let passed = message.descriptors.numbers.first,
      cbootstrap_is_local_stream(passed) != 0
    else {
      return refuse(connection, MessageReader.malformed)
    }
    // The newcomer's limit: there is no other.
    _ = message.descriptors.take()
    let events = MessageChannel(passed, loop: loop, stepByteCount: 4096)
    admit(hello, connection, events: events)
  }

  /// From here on it is a node, or hears why not.
  func admit(_ hello: Hello, _ connection: ServerConnection, events: MessageChannel) {
    if let objection = objection(to: hello, connection) { return refuse(connection, objection) }
    guard let node = hello.node ?? firstFreeNode() else { return refuse(connection, allTaken()) }
    connection.node = node
    connection.expectQuestions()
    connection.adopt(events: events)
    slots[node].state = .joined
    slots[node].member = hello.member
    slots[node].connection = connection
    connection.send(.admitted(node: node))
    report(.joined(node: node, process: connection.process))
    if let failure {
      return connection.send(RendezvousMessage(.failure, failure))
    }
    if slots.allSatisfy({ $0.state != .absent }) {
      welcomeAll()
    } else {
      limitWait(hello.timeoutMilliseconds)
    }
  }

  private func firstFreeNode() -> Int? {
    slots.indices.first { slots[$0].state == .absent && slots[$0].owner == .anyone }
  }

  func allTaken() -> BootstrapError {
    BootstrapError(
      .refused,
      "a process wants to join a job whose \(nodeCount) nodes are all taken or kept for others; give the job "
        + "more nodes (-n).")
  }

  func refuse(_ connection: ServerConnection, _ error: BootstrapError) {
    connection.sendAndClose(RendezvousMessage(.failure, error))
  }

  func objection(to hello: Hello, _ connection: ServerConnection) -> BootstrapError? {
    guard hello.protocolVersion == RendezvousMessage.protocolVersion else {
      return BootstrapError(
        .refused,
        "the program's Merino library speaks version \(hello.protocolVersion) of the rendezvous protocol and "
          + "the launcher version \(RendezvousMessage.protocolVersion); use merino run and libmerino of one "
          + "build."
      )
    }
    let isOfThisJob = (hello.node ?? 0) < nodeCount && (hello.nodeCount ?? nodeCount) == nodeCount
    guard isOfThisJob, hello.node != nil || connection.isRemote else {
      return BootstrapError(
        .refused,
        "a process wants to be node \(hello.node.map { "\($0)" } ?? "?") of "
          + "\(hello.nodeCount.map { "\($0)" } ?? "?"), and this job has the nodes 0 to \(nodeCount &- 1); "
          + "do not change \(JobEnvironment.nodeName) or \(JobEnvironment.nodeCountName).")
    }
    guard let node = hello.node else { return nil }
    if connection.isRemote, let starter = slots[node].owner.starter {
      return BootstrapError(
        .refused, node: node,
        "process \(hello.member.processID) on \(hello.member.hostName) wants to join as node \(node), which "
          + "\(starter) itself; leave \(JobEnvironment.nodeName) unset to be given a free one.")
    }
    guard slots[node].state == .absent else {
      let earlier = slots[node].member
      return BootstrapError(
        .refused, node: node,
        "process \(hello.member.processID) (\(hello.member.programName)) wants to join as node "
          + "\(node), and process \(earlier.processID) (\(earlier.programName)) has done so before; a "
          + "node is one process and joins once.")
    }
    return nil
  }

  private func welcomeAll() {
    allHaveJoined = true
    joinTimer?.cancel()
    closeEntrance()
    let isLocal = slots.allSatisfy { !($0.connection?.isRemote ?? false) }
    var welcome = Welcome(secret: secret, passesDescriptors: isLocal, members: slots.map(\.member))
    let toHere = welcome.message()
    welcome.secret = (0, 0)
    let overTCP = welcome.message()
    for slot in slots.reversed() {
      slot.connection?.send(slot.connection?.isRemote == true ? overTCP : toHere)
    }
    report(.allJoined)
  }

  /// The least patient of the nodes that wait decides.
  func limitWait(_ requestedMilliseconds: Int) {
    let limit = min(
      requestedMilliseconds > 0 ? requestedMilliseconds : joinTimeoutMilliseconds,
      JobEnvironment.longestJoinTimeoutMilliseconds)
    let due = Int(clamping: cplatform_now_nanoseconds() / 1_000_000).addingReportingOverflow(limit)
    guard !due.overflow, due.partialValue < joinDueMilliseconds else { return }
    joinDueMilliseconds = due.partialValue
    joinTimer?.cancel()
    joinTimer = loop.after(milliseconds: limit) { [weak self] in self?.joinTimedOut(limit) }
  }

  private func joinTimedOut(_ limitMilliseconds: Int) {
    let missing = slots.indices.filter { slots[$0].state == .absent }
    let seconds = Double(limitMilliseconds) / 1000
    let waiting =
      presentNodes.isEmpty ? "" : ", while \(NodeList.sentence(presentNodes)) waited"
    let sentence =
      "\(NodeList.sentence(missing)) of \(nodeCount) did not join within \(seconds) s\(waiting); "
      + "see why, or raise the limit with "
      + "\(JobEnvironment.joinTimeoutName) (in seconds)."
    fail(BootstrapError(.joinTimedOut, node: missing.first, sentence))
    report(.joinTimedOut(missing: missing, sentence: sentence))
  }
}

/// Node numbers for people.
package enum NodeList {
  /// "node 3", "nodes 1 and 2", "nodes 0-4, 7 and 9".
  package static func sentence(_ nodes: [Int]) -> String {
    let ranges = ranges(nodes)
    guard let last = ranges.last else { return "no node" }
    let noun = nodes.count == 1 ? "node" : "nodes"
    if ranges.count == 1 { return "\(noun) \(last)" }
    return "\(noun) \(ranges.dropLast().joined(separator: ", ")) and \(last)"
  }

  private static func ranges(_ nodes: [Int]) -> [String] {
    var ranges: [(first: Int, last: Int)] = []
    for node in nodes.sorted() {
      if let open = ranges.last, open.last &+ 1 == node {
        // In bounds: there is a last one.
        ranges[ranges.count - 1].last = node
      } else {
        ranges.append((node, node))
      }
    }
    return ranges.flatMap { range in
      switch range.last &- range.first {
      case 0: ["\(range.first)"]
      case 1: ["\(range.first)", "\(range.last)"]
      default: ["\(range.first)-\(range.last)"]
      }
    }
  }
}
