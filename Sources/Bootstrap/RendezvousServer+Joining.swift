import CPlatform
import Glibc

/// Hello and welcome, and the time limit between the two.
extension RendezvousServer {
  func serveHello(_ message: RendezvousMessage, of connection: ServerConnection) {
    guard message.kind == .hello, let hello = Hello(message), message.descriptors.numbers.count == 1 else {
      return refuse(connection, MessageReader.malformed)
    }
    if let objection = objection(to: hello) { return refuse(connection, objection) }
    connection.node = hello.node
    connection.adopt(eventDescriptor: message.descriptors.take()[0])
    slots[hello.node].state = .joined
    slots[hello.node].member = hello.member
    slots[hello.node].connection = connection
    report(.joined(node: hello.node, process: connection.process))
    if let failure {
      return connection.send(RendezvousMessage(.failure, failure))
    }
    if slots.allSatisfy({ $0.state != .absent }) {
      welcomeAll()
    } else {
      limitWait(hello.timeoutMilliseconds)
    }
  }

  private func refuse(_ connection: ServerConnection, _ error: BootstrapError) {
    connection.sendAndClose(RendezvousMessage(.failure, error))
  }

  private func objection(to hello: Hello) -> BootstrapError? {
    guard hello.protocolVersion == RendezvousMessage.protocolVersion else {
      return BootstrapError(
        .refused,
        "the program's Merino library speaks version \(hello.protocolVersion) of the rendezvous protocol and "
          + "the launcher version \(RendezvousMessage.protocolVersion); use merino run and libmerino of one "
          + "build."
      )
    }
    guard hello.node < nodeCount, hello.nodeCount == nodeCount else {
      return BootstrapError(
        .refused,
        "a process wants to be node \(hello.node) of \(hello.nodeCount), and this job has the nodes 0 to "
          + "\(nodeCount - 1); do not change \(JobEnvironment.nodeName) or \(JobEnvironment.nodeCountName).")
    }
    guard slots[hello.node].state == .absent else {
      let earlier = slots[hello.node].member
      return BootstrapError(
        .refused, node: hello.node,
        "process \(hello.member.processID) (\(hello.member.programName)) wants to join as node "
          + "\(hello.node), and process \(earlier.processID) (\(earlier.programName)) has done so before; a "
          + "node is one process and joins once.")
    }
    return nil
  }

  private func welcomeAll() {
    allHaveJoined = true
    joinTimer?.cancel()
    let welcome = Welcome(secret: secret, members: slots.map(\.member)).message()
    for slot in slots { slot.connection?.send(welcome) }
    report(.allJoined)
  }

  /// The least patient of the nodes that wait decides.
  private func limitWait(_ requestedMilliseconds: Int) {
    let limit = requestedMilliseconds > 0 ? requestedMilliseconds : joinTimeoutMilliseconds
    let due = Int(clamping: cplatform_now_nanoseconds() / 1_000_000).addingReportingOverflow(limit)
    guard !due.overflow, due.partialValue < joinDueMilliseconds else { return }
    joinDueMilliseconds = due.partialValue
    joinTimer?.cancel()
    joinTimer = loop.after(milliseconds: limit) { [weak self] in self?.joinTimedOut(limit) }
  }

  private func joinTimedOut(_ limitMilliseconds: Int) {
    let missing = slots.indices.filter { slots[$0].state == .absent }
    let seconds = Double(limitMilliseconds) / 1000
    let sentence =
      "\(NodeList.sentence(missing)) of \(nodeCount) did not join within \(seconds) s, while "
      + "\(NodeList.sentence(presentNodes)) waited; see why, or raise the limit with "
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
      if let open = ranges.last, open.last + 1 == node {
        ranges[ranges.count - 1].last = node
      } else {
        ranges.append((node, node))
      }
    }
    return ranges.flatMap { range in
      switch range.last - range.first {
      case 0: ["\(range.first)"]
      case 1: ["\(range.first)", "\(range.last)"]
      default: ["\(range.first)-\(range.last)"]
      }
    }
  }
}
