import CBootstrap
import CPlatform
import Glibc
import Synchronization

/// A node of a job that `merino run` started: the client of its rendezvous socket.
final class LauncherLink: JobLink {
  let node: Int
  let nodeCount: Int
  let secret: (UInt64, UInt64)
  let members: [Member]
  let eventDescriptor: Int32

  /// Held over a whole call, question to answer.
  private let calls: Mutex<CallChannel>
  /// The launcher closes the events channel of a node that leaves: no news then. Set (release) before
  /// the launcher hears of it; read (acquire) by whoever finds the channel closed.
  private let isLeaving = Atomic(false)

  /// Joins: returns when every node has.
  init(_ environment: JobEnvironment, timeoutMilliseconds: Int?) throws(BootstrapError) {
    var limit = timeoutMilliseconds ?? 0
    if limit <= 0 { limit = try JobEnvironment.joinTimeoutMilliseconds() }
    var channel = try CallChannel(connectingTo: environment.rendezvous)
    let (here, there) = try Self.makeEventPair()
    let hello = Hello(
      node: environment.node, nodeCount: environment.nodeCount,
      timeoutMilliseconds: timeoutMilliseconds ?? 0, member: .current())
    do throws(BootstrapError) {
      let welcome = try Self.join(
        &channel, hello.message(eventDescriptor: there), timeoutMilliseconds: limit)
      guard welcome.members.count == environment.nodeCount else { throw MessageReader.malformed }
      secret = welcome.secret
      members = welcome.members
    } catch {
      close(here)
      throw error
    }
    node = environment.node
    nodeCount = environment.nodeCount
    eventDescriptor = here
    calls = Mutex(channel)
  }

  deinit { close(eventDescriptor) }

  private static func makeEventPair() throws(BootstrapError) -> (Int32, Int32) {
    var pair: [Int32] = [-1, -1]
    guard cbootstrap_event_pair(&pair) == 0 else {
      throw .system("make the sockets of the events channel", "socketpair")
    }
    return (pair[0], pair[1])
  }

  private static func join(
    _ channel: inout CallChannel, _ hello: RendezvousMessage, timeoutMilliseconds: Int
  ) throws(BootstrapError) -> Welcome {
    // The launcher keeps the time and knows who is missing; this side only makes sure that a
    // launcher which was stopped is not waited for without end.
    let patienceMilliseconds = timeoutMilliseconds + 10_000
    try channel.send(hello)
    guard let answer = try channel.receive(withinMilliseconds: patienceMilliseconds) else {
      throw BootstrapError(
        .joinTimedOut,
        "the launcher has not answered for \(patienceMilliseconds / 1000) s while this node was joining; "
          + "see whether merino run was stopped.")
    }
    guard answer.kind == .welcome, let welcome = Welcome(answer) else { throw MessageReader.malformed }
    return welcome
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
    try DescriptorLimit.makeRoom(
      for: count * nodeCount, purpose: "an exchange of \(count) descriptors among \(nodeCount) nodes")
    return try calls.withLock { (channel) throws(BootstrapError) in
      let answer = try channel.call(
        RendezvousMessage(kind: .exchangeDescriptors, descriptors: .borrowed(descriptors)))
      guard answer.descriptors.numbers.count == count * nodeCount else { throw MessageReader.malformed }
      let received = answer.descriptors.take()
      return (0..<nodeCount).map { Array(received[$0 * count..<($0 + 1) * count]) }
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

  func nextEvent() -> JobEvent? {
    var datagram = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let received = recv(eventDescriptor, &datagram, datagram.count, MessageFlags.doNotWait)
      if received < 0 && errno == EINTR { continue }
      if received < 0 && errno == EAGAIN { return nil }
      if received <= 0 { return isLeaving.load(ordering: .acquiring) ? nil : .launcherGone }
      let message = RendezvousMessage(datagram: Array(datagram[..<received]))
      if let message, message.kind == .peerLost, let error = message.error, let node = error.node {
        return .peerLost(node: node, how: error.description)
      }
      // Events that this version does not know are for others.
    }
  }

  func abort(code: Int32) {
    // On the events channel, which no call holds. A launcher that is gone or does not listen any
    // more ends the job anyway.
    let datagram = RendezvousMessage.abort(code: code).datagram()
    _ = send(eventDescriptor, datagram, datagram.count, MessageFlags.doNotWait | MessageFlags.noSignal)
  }
}
