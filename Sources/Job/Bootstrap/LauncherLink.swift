import CBootstrap
import CPlatform
import Glibc
import Synchronization

/// A node of a job that has a launcher: the client of its rendezvous, by the launcher's socket or over TCP.
final class LauncherLink: JobLink {
  let node: Int
  let nodeCount: Int
  let secret: (UInt64, UInt64)
  let members: [Member]
  let eventDescriptor: Int32

  /// The rendezvous passes descriptors; else nodes of one machine take them from each other.
  private let passesDescriptors: Bool
  /// Held over a whole call, question to answer.
  private let calls: Mutex<CallChannel>
  private let events = Mutex(MessageReader(stepByteCount: 4096, limits: .report))
  /// The launcher closes the events channel of a node that leaves: no news then. Set (release) before
  /// the launcher hears of it; read (acquire) by whoever finds the channel closed.
  private let isLeaving = Atomic(false)

  /// Joins: returns when every node has.
  convenience init(_ environment: JobEnvironment, timeoutMilliseconds: Int?) throws(BootstrapError) {
    var limit = timeoutMilliseconds ?? 0
    if limit <= 0 { limit = try JobEnvironment.joinTimeoutMilliseconds() }
    try self.init(
      RendezvousEntry.open(environment), node: environment.node, nodeCount: environment.nodeCount,
      timeoutMilliseconds: timeoutMilliseconds, patienceMilliseconds: limit)
  }

  /// - Parameters:
  ///   - timeoutMilliseconds: what this node asks of the rendezvous; `nil`: as it has been set.
  ///   - patienceMilliseconds: how long the rendezvous may take.
  init(
    _ entry: consuming sending RendezvousEntry, node: Int?, nodeCount: Int?, timeoutMilliseconds: Int?,
    patienceMilliseconds: Int
  ) throws(BootstrapError) {
    let events = entry.events
    let hello = Hello(
      node: node, nodeCount: nodeCount, eventsToken: entry.eventsToken,
      timeoutMilliseconds: timeoutMilliseconds ?? 0, member: .current())
    do throws(BootstrapError) {
      let (node, welcome) = try Self.join(
        &entry.calls, hello.message(eventDescriptor: entry.passedEvents),
        timeoutMilliseconds: patienceMilliseconds)
      guard welcome.members.indices.contains(node),
        welcome.members.count == nodeCount ?? welcome.members.count
      else { throw MessageReader.malformed }
      self.node = node
      secret = entry.jobSecret ?? welcome.secret
      members = welcome.members
      passesDescriptors = welcome.passesDescriptors
    } catch {
      close(events)
      throw error
    }
    self.nodeCount = members.count
    eventDescriptor = events
    calls = Mutex(entry.takeCalls())
  }

  deinit { close(eventDescriptor) }

  private static func join(
    _ channel: inout CallChannel, _ hello: RendezvousMessage, timeoutMilliseconds: Int
  ) throws(BootstrapError) -> (node: Int, Welcome) {
    // The launcher keeps the time and knows who is missing; this side only makes sure that a
    // launcher which was stopped is not waited for without end.
    // In range: a limit that is none is cut.
    let patienceMilliseconds =
      min(timeoutMilliseconds, JobEnvironment.longestJoinTimeoutMilliseconds) + 10_000
    try channel.send(hello)
    func next() throws(BootstrapError) -> RendezvousMessage {
      if let message = try channel.receive(withinMilliseconds: patienceMilliseconds) { return message }
      throw BootstrapError(
        .joinTimedOut,
        "the launcher has not answered for \(patienceMilliseconds / 1000) s while this node was joining; "
          + "see whether merino run was stopped.")
    }
    let admission = try next()
    guard admission.kind == .admitted, let node = admission.admittedNode else {
      throw MessageReader.malformed
    }
    let answer = try next()
    guard answer.kind == .welcome, let welcome = Welcome(answer) else { throw MessageReader.malformed }
    return (node, welcome)
  }

  func exchange(_ bytes: [UInt8]) throws(BootstrapError) -> [[UInt8]] {
    let limit = RendezvousMessage.contributionByteLimit
    guard bytes.count <= limit else {
      throw BootstrapError(
        .limitExceeded, "a node may give \(limit) bytes to an exchange; node \(node) gave \(bytes.count).")
    }
    let nodeCount = nodeCount
    return try calls.withLock { (channel) throws(BootstrapError) in
      let answer = try channel.call(RendezvousMessage(kind: .exchange, payload: bytes))
      guard let contributions = Contributions.decode(answer.payload, nodeCount: nodeCount) else {
        throw MessageReader.malformed
      }
      return contributions
    }
  }

  func exchangeDescriptors(_ descriptors: [Int32]) throws(BootstrapError) -> [[Int32]] {
    let (nodeCount, count) = (nodeCount, descriptors.count)
    guard passesDescriptors else { return try takeDescriptorsOfAll(descriptors) }
    try DescriptorLimit.makeRoom(
      for: count.multipliedReportingOverflow(by: nodeCount).partialValue,
      purpose: "an exchange of \(count) descriptors among \(nodeCount) nodes")
    return try calls.withLock { (channel) throws(BootstrapError) in
      let answer = try channel.call(
        RendezvousMessage(kind: .exchangeDescriptors, descriptors: .borrowed(descriptors)))
      guard let parts = Contributions.parts(answer.descriptors.numbers, nodeCount: nodeCount, count: count)
      else {
        throw MessageReader.malformed
      }
      _ = answer.descriptors.take()
      return parts
    }
  }

  func barrier() throws(BootstrapError) {
    try calls.withLock { (channel) throws(BootstrapError) in
      _ = try channel.call(RendezvousMessage(kind: .barrier))
    }
  }

  func leave() throws(BootstrapError) {
    try calls.withLock { (channel) throws(BootstrapError) in
      isLeaving.store(true, ordering: .releasing)
      _ = try channel.call(RendezvousMessage(kind: .leave))
      channel.hasLeft = true
    }
  }

  func disconnect() {
    isLeaving.store(true, ordering: .releasing)
    calls.withLock { $0.hangUp() }
    shutdown(eventDescriptor, Int32(SHUT_RDWR))
  }

  /// Looked at for one event; what is left is there the next time.
  private static let messagesPerLook = 64

  func nextEvent() -> JobEvent? {
    for _ in 0..<Self.messagesPerLook {
      let progress = events.withLock { reader in
        // What makes no sense is the end of the channel, like its end.
        (try? reader.receive(from: eventDescriptor, flags: MessageFlags.doNotWait)) ?? .closed
      }
      switch progress {
      case .wouldBlock: return nil
      case .closed, .vanished: return isLeaving.load(ordering: .acquiring) ? nil : .launcherGone
      case .message(let message):
        // Events that this version does not know are for others.
        guard message.kind == .peerLost, let error = message.error, let node = error.node, node < nodeCount
        else { continue }
        return .peerLost(node: node, how: error.description)
      }
    }
    return nil
  }

  func abort(code: Int32) {
    // On the events channel, which no call holds, and on which this node says nothing else: there is room.
    // A launcher that is gone or does not listen any more ends the job anyway.
    let bytes = RendezvousMessage.abort(code: code).encoded()
    _ = send(eventDescriptor, bytes, bytes.count, MessageFlags.doNotWait | MessageFlags.noSignal)
  }
}
