import CBootstrap
import Glibc

/// Brings the nodes of one job together: the launcher's side of the rendezvous socket. Runs on the
/// launcher's event loop, never blocks, is used by that one thread.
///
/// Whatever several nodes are told node 0 is told last: it may be the process that this runs in, and end upon
/// it.
///
/// It knows what nodes say; what becomes of their processes is the launcher's business, which tells the
/// server of a death by `declareLost`.
package final class RendezvousServer {
  package enum Report {
    case joined(node: Int, process: pid_t)
    case allJoined
    /// Nobody waits any more: those who had joined were told.
    case joinTimedOut(missing: [Int], sentence: String)
    case left(node: Int)
    /// Gone without having left. The launcher finds out how and declares the loss.
    case disconnected(node: Int, reason: String?)
    /// Its host does not answer any more. The launcher declares the loss.
    case vanished(node: Int, reason: String)
    case abortRequested(node: Int, code: Int32)
    /// Another host's `merino run --join` is here and starts its nodes.
    case outpostJoined(Outpost)
    case outpostSaid(Outpost, OutpostReport)
    case outpostClosed(Outpost, reason: String?)
  }

  /// Who may be a node.
  enum Owner: Equatable {
    /// Whoever comes over TCP.
    case anyone
    /// A process of this launcher.
    case launcher
    /// Kept for an entry of `--hosts`, whose outpost has not come yet.
    case entry(Int)
    case outpost

    /// Who starts it where nobody else may join as it.
    var starter: String? {
      switch self {
      case .launcher: "the launcher has started"
      case .entry: "a host of --hosts is to start"
      case .anyone, .outpost: nil
      }
    }
  }

  /// A node, as far as the rendezvous goes.
  struct Slot {
    enum State { case absent, joined, left, lost }
    var state = State.absent
    var owner = Owner.anyone
    var member = Member.nobody
    var connection: ServerConnection?
    /// What the node asked and has no answer to yet.
    var question: RendezvousMessage?
  }

  let loop: EventLoop
  let nodeCount: Int
  let joinTimeoutMilliseconds: Int
  var secret: (UInt64, UInt64)
  let report: (Report) -> Void
  let listener: Int32

  var slots: [Slot]
  var entrance: TCPEntrance?
  /// Events connections whose node has not said hello yet, in the order of their coming.
  var unclaimedEvents: [UnclaimedEvents] = []
  /// Channels that are told why they are not wanted.
  var departing: [MessageChannel] = []
  /// Processes of this machine that have connected and said nothing yet, in the order of their coming.
  var newcomers: [ServerConnection] = []
  /// Whether other hosts' `merino run --join` may start nodes.
  package var takesOutposts = true
  /// The nodes of each entry of `--hosts`.
  var entryNodes: [[Int]] = []
  /// What outposts set for their nodes; empty where nothing was chosen.
  package var fabricForOutposts = ""
  /// Every connection that is open, also of processes that have said nothing yet.
  private var connections: [ObjectIdentifier: ServerConnection] = [:]
  var joinTimer: EventLoop.Timer?
  var joinDueMilliseconds = Int.max
  var allHaveJoined = false
  /// Why nothing collective can succeed any more.
  var failure: BootstrapError?

  /// Listens at `path`, which must not exist yet.
  package init(
    loop: EventLoop, path: String, nodeCount: Int, joinTimeoutMilliseconds: Int,
    report: @escaping (Report) -> Void
  ) throws(BootstrapError) {
    guard (1...Job.maximumNodeCount).contains(nodeCount) else {
      throw BootstrapError(
        .limitExceeded, "a job of \(nodeCount) nodes: it has 1 to \(Job.maximumNodeCount).")
    }
    self.loop = loop
    self.nodeCount = nodeCount
    self.joinTimeoutMilliseconds = joinTimeoutMilliseconds
    self.report = report
    secret = try JobSecret.make()
    slots = Array(repeating: Slot(), count: nodeCount)
    listener = cbootstrap_listen(path, Int32(clamping: Job.maximumNodeCount))
    guard listener >= 0 else { throw .system("listen at the rendezvous socket \(path)", "bind") }
    loop.watch(listener, POLLIN) { [weak self] _ in self?.acceptConnections() }
  }

  deinit {
    loop.unwatch(listener)
    close(listener)
    joinTimer?.cancel()
    for connection in connections.values { connection.close() }
  }

  /// Nodes that this launcher's own processes are.
  package func reserveForLauncher(_ nodes: some Sequence<Int>) {
    for node in nodes { slots[node].owner = .launcher }
  }

  /// Nodes of an entry of `--hosts`, in its order.
  package func addEntry(_ nodes: [Int]) {
    for node in nodes { slots[node].owner = .entry(entryNodes.count) }
    entryNodes.append(nodes)
  }

  /// Nodes that have joined and neither left nor been lost.
  package var presentNodes: [Int] { slots.indices.filter { slots[$0].state == .joined } }
  package func hasJoined(_ node: Int) -> Bool { slots[node].state != .absent }
  /// Who joined as this node.
  package func member(_ node: Int) -> Member? { slots[node].state == .absent ? nil : slots[node].member }
  package func hasLeft(_ node: Int) -> Bool { slots[node].state == .left }
  /// Nothing more comes from the process that joined as this node, nor from one that would.
  package func isSettled(_ node: Int) -> Bool { slots[node].connection?.hasEnded ?? true }
  package func isConnected(_ node: Int) -> Bool { slots[node].connection?.isOpen ?? false }
  /// The process that joined as this node; it may be a descendant of the one that was started.
  package func process(of node: Int) -> pid_t? {
    slots[node].state == .absent ? nil : slots[node].connection?.process
  }

  /// Reports what the node has said and nobody has looked at yet (that it ends the job): before its
  /// exit is judged.
  package func hear(_ node: Int) { slots[node].connection?.hearEvents() }

  /// Tells everybody that a node is gone: by an event, and in place of every answer from now on.
  /// `how` is a full sentence that names the node.
  package func declareLost(_ node: Int, how: String) {
    guard slots[node].state != .left, slots[node].state != .lost else { return }
    slots[node].state = .lost
    slots[node].connection?.close()
    slots[node].connection = nil
    slots[node].question = nil
    let error = BootstrapError(.peerLost, node: node, how)
    let news = RendezvousMessage(.peerLost, error)
    for present in presentNodes.reversed() { slots[present].connection?.sendEvent(news) }
    fail(error)
  }

  /// Ends every wait, and everything collective from now on.
  func fail(_ error: BootstrapError) {
    if failure == nil { failure = error }
    joinTimer?.cancel()
    for node in presentNodes.reversed() {
      // Before all have joined each node that has waits for its welcome.
      guard slots[node].question != nil || !allHaveJoined else { continue }
      slots[node].question = nil
      slots[node].connection?.send(RendezvousMessage(.failure, error))
    }
  }

  func adopt(_ connection: ServerConnection) {
    connections[ObjectIdentifier(connection)] = connection
    connection.onClosed = { [weak self, weak connection] reason in
      if let connection { self?.closed(connection, reason) }
    }
    connection.onMessage = { [weak self, weak connection] message in
      if let connection { self?.serve(message, of: connection) }
    }
    connection.onEvent = { [weak self, weak connection] message in
      if let connection { self?.serveEvent(message, of: connection) }
    }
  }

  private func serve(_ message: RendezvousMessage, of connection: ServerConnection) {
    guard let node = connection.node else { return serveHello(message, of: connection) }
    switch message.kind {
    case .exchange, .exchangeDescriptors, .barrier: serveQuestion(message, of: node, connection)
    case .leave: serveLeave(of: node)
    default: connection.giveUp(.violation("sent \(message.kind) where it may ask for something or leave"))
    }
  }

  private func serveEvent(_ message: RendezvousMessage, of connection: ServerConnection) {
    guard message.kind == .abort, let node = connection.node, let code = message.abortCode else {
      return connection.giveUp(.violation("sent \(message.kind) where it may end the job"))
    }
    report(.abortRequested(node: node, code: code))
  }

  private func serveLeave(of node: Int) {
    slots[node].state = .left
    slots[node].connection?.sendAndClose(RendezvousMessage(kind: .answer))
    // Those who wait for this node wait in vain.
    let waiting = slots.indices.filter { slots[$0].question != nil }
    if !waiting.isEmpty { failWaiting(Self.hasLeft(node)) }
    report(.left(node: node))
  }

  static func hasLeft(_ node: Int) -> BootstrapError {
    BootstrapError(
      .peerLost, node: node,
      "node \(node) has left the job (it finalized), while other nodes still wait for it; every node must "
        + "take part in every collective call.")
  }

  private func closed(_ connection: ServerConnection, _ reason: BootstrapError?) {
    connections[ObjectIdentifier(connection)] = nil
    noLongerNew(connection)
    guard let node = connection.node, slots[node].state == .joined else { return }
    if let reason, reason.kind == .peerLost {
      return report(.vanished(node: node, reason: reason.description))
    }
    // It did not die: the server could not go on with it. The others hear why; where it broke the protocol it
    // counts as lost, and is named.
    if let reason, reason.kind != .protocolViolation { fail(reason) }
    report(.disconnected(node: node, reason: reason?.description))
  }
}
