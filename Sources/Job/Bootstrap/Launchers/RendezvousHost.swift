import CPlatform
import Glibc
import Synchronization

/// The rendezvous that node 0 keeps, on a thread of its own: where a launcher is not `merino run`.
///
/// A thread and not a process: an MPI program must not fork, and what node 0 starts beside itself would be
/// left behind or be killed by the launcher at the wrong time. It sleeps in poll(2) unless somebody joins,
/// leaves or dies. With node 0's death the rendezvous is gone, which the others notice as node 0's loss.
///
/// The thread ends by itself when all other nodes have left, or one is lost; node 0's own leaving waits for
/// it.
final class RendezvousHost: Sendable {
  let card: RendezvousCard
  private let thread = Mutex<pthread_t?>(nil)
  /// Written to when the thread is to end before its time.
  private let stopDescriptor: Int32
  /// Readable when the thread has ended.
  private let endDescriptor: Int32

  init(nodeCount: Int, joinTimeoutMilliseconds: Int, launcher: String) throws(BootstrapError) {
    let service = try RendezvousService(
      nodeCount: nodeCount, joinTimeoutMilliseconds: joinTimeoutMilliseconds, launcher: launcher)
    card = service.card
    (stopDescriptor, endDescriptor) = (cplatform_event_descriptor(), cplatform_event_descriptor())
    guard stopDescriptor >= 0, endDescriptor >= 0 else {
      throw .system("prepare node 0's rendezvous", "eventfd")
    }
    service.stopDescriptor = stopDescriptor
    service.endDescriptor = endDescriptor
    try start(service)
  }

  deinit {
    stop()
    close(stopDescriptor)
    close(endDescriptor)
  }

  /// With all signals blocked: they are the program's threads' to take.
  private func start(_ service: RendezvousService) throws(BootstrapError) {
    let saved = cplatform_block_signals()
    defer { cplatform_restore_signals(saved) }
    var id = pthread_t()
    // The thread owns the service from here on; nobody else has it.
    let owned = Unmanaged.passRetained(service)
    let code = pthread_create(
      &id, nil,
      { argument in
        // The argument is what pthread_create got: never nil.
        guard let argument else { return nil }
        Unmanaged<RendezvousService>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, owned.toOpaque())
    guard code == 0 else {
      owned.release()
      errno = code
      throw .system("start the thread of node 0's rendezvous", "pthread_create")
    }
    thread.withLock { $0 = id }
  }

  /// Returns when nobody needs the rendezvous any more.
  func waitForOthers() {
    let id = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    if let id { pthread_join(id, nil) }
  }

  func stop() {
    cplatform_wake(stopDescriptor)
    waitForOthers()
  }

  /// Until the others have been told that node 0 ends the job; not for long, since it ends anyway.
  func waitForNews(withinMilliseconds limit: Int32) {
    var entry = pollfd(fd: endDescriptor, events: Int16(POLLIN), revents: 0)
    poll(&entry, 1, limit)
  }
}

/// What the thread does.
private final class RendezvousService {
  let card: RendezvousCard
  var stopDescriptor: Int32 = -1
  var endDescriptor: Int32 = -1
  private let loop = EventLoop()
  private let nodeCount: Int
  private let launcher: String
  private var server: RendezvousServer?
  private var isStopping = false
  private var someoneIsLost = false

  init(nodeCount: Int, joinTimeoutMilliseconds: Int, launcher: String) throws(BootstrapError) {
    self.nodeCount = nodeCount
    self.launcher = launcher
    var card = try RendezvousCard.fresh(addresses: [])
    let box = Box()
    let server = try RendezvousServer(
      loop: loop, path: card.localName, nodeCount: nodeCount, joinTimeoutMilliseconds: joinTimeoutMilliseconds
    ) { report in box.service?.handle(report) }
    server.takesOutposts = false
    // What strangers hold is open in the program's own process: room for them beside what it opens itself.
    DescriptorLimit.raise(for: 4 &* nodeCount &+ TCPEntrance.guestLimit(nodeCount: nodeCount))
    let port = try server.listen(host: nil, port: 0, secret: card.secret)
    card.addresses = HostAndPort.ofThisHost(port: port)
    self.card = card
    self.server = server
    box.service = self
  }

  /// The server reports to somebody who is made after it.
  private final class Box { weak var service: RendezvousService? }

  func run() {
    loop.watch(stopDescriptor, POLLIN) { [weak self] _ in self?.isStopping = true }
    loop.run { !isStopping && !isOver }
    // Closes every connection: those who still had one know by now why.
    server = nil
    cplatform_wake(endDescriptor)
  }

  /// Node 0 has left, and the others have, too; or they will not come together any more.
  private var isOver: Bool {
    guard let server, server.hasLeft(0) else { return false }
    return someoneIsLost || (1..<nodeCount).allSatisfy { server.hasLeft($0) }
  }

  private func handle(_ report: RendezvousServer.Report) {
    switch report {
    case .disconnected(let node, let reason):
      lose(
        node,
        reason.map { "was cut off by node 0: " + $0 }
          ?? "ended without having left the job: it crashed, was killed, or did not finalize or could not")
    case .vanished(let node, let reason): lose(node, "is cut off: " + reason)
    case .abortRequested(let node, let code):
      lose(node, "ended the job with code \(code & 0xFF) (merino_abort)")
      if node == 0 { isStopping = true }
    // `allJoined`: nobody else may come, and the server has closed its entrance from the network.
    case .joined, .allJoined, .joinTimedOut, .left, .outpostJoined, .outpostSaid, .outpostClosed: break
    }
  }

  private func lose(_ node: Int, _ how: String) {
    someoneIsLost = true
    let who =
      server?.member(node).map { " (\($0.programName), process \($0.processID) on \($0.hostName))" } ?? ""
    let end = how.hasSuffix(".") ? "" : "."
    server?.declareLost(node, how: "node \(node)\(who) \(how)\(end)")
  }
}
