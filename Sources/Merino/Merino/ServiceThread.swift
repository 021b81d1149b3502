import Bootstrap
import CPlatform
import Coherence
import Glibc
import Node
import Platform
import Synchronization
import VerbsFabric

/// The thread that does for this node what cannot be done in a signal handler or has to be noticed while
/// nobody calls: registering chunks, and the loss of a node. Sleeps in poll(2) otherwise.
final class ServiceThread: Sendable {
  private let job: Job
  private let endpoint: VerbsEndpoint?
  /// Written to by whoever needs this thread, signal handlers included.
  let wakeDescriptor: Int32
  private let engine = Mutex<NodeEngine?>(nil)
  private let isStopping = Atomic<Bool>(false)
  private let thread = Mutex<pthread_t?>(nil)
  private let log: Logger

  init(job: Job, endpoint: VerbsEndpoint?, log: Logger) throws(MerinoError) {
    self.job = job
    self.endpoint = endpoint
    self.log = log
    wakeDescriptor = isAllocationRefused() ? -1 : cplatform_event_descriptor()
    guard wakeDescriptor >= 0 else {
      throw MerinoError(.system, "could not join: eventfd said \(String(cString: strerror(errno))).")
    }
  }

  deinit { close(wakeDescriptor) }

  /// Starts the thread, with all signals blocked: they are the program's threads' to take. A job of one node
  /// without a device has no work for it.
  func start(_ engine: NodeEngine) throws(MerinoError) {
    if job.nodeCount == 1 && endpoint == nil { return }
    self.engine.withLock { $0 = engine }
    let saved = cplatform_block_signals()
    defer { cplatform_restore_signals(saved) }
    var id = pthread_t()
    // The thread owns a reference until it ends.
    let me = Unmanaged.passRetained(self)
    let code = pthread_create(
      &id, nil,
      { argument in
        // The argument is what pthread_create got: never nil.
        guard let argument else { return nil }
        Unmanaged<ServiceThread>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, me.toOpaque())
    guard code == 0 else {
      me.release()
      throw MerinoError(
        .system,
        "could not start the library's thread: pthread_create said \(String(cString: strerror(code))).")
    }
    thread.withLock { $0 = id }
  }

  /// Ends the thread and waits for its end.
  func stop() {
    isStopping.store(true, ordering: .releasing)
    cplatform_wake(wakeDescriptor)
    if let id = thread.withLock({ $0 }) { pthread_join(id, nil) }
  }

  private func run() {
    guard let engine = engine.withLock({ $0 }) else { return }
    var event = job.eventDescriptor
    var device = endpoint?.eventDescriptors ?? []
    while !isStopping.load(ordering: .acquiring) {
      // Before the look at the requests: one that comes behind the look wakes again.
      cplatform_take_wakes(wakeDescriptor)
      _ = engine.serveChunkRequests()
      var descriptors = ([wakeDescriptor, event] + device).map {
        pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
      }
      // A negative descriptor is passed over by poll.
      let ready = poll(&descriptors, nfds_t(descriptors.count), -1)
      guard ready > 0 else { continue }
      if descriptors[1].revents != 0 { event = handleJobEvents(event) }
      if descriptors[2...].contains(where: { $0.revents != 0 }) {
        for happened in endpoint?.takeEvents() ?? [] { log(.warning, happened) }
        // A descriptor that is only in error stays so, and poll would never sleep again.
        if descriptors[2...].contains(where: { $0.revents & ~Int16(POLLIN) != 0 }) { device = [] }
      }
    }
  }

  /// The descriptor to poll from now on.
  private func handleJobEvents(_ descriptor: Int32) -> Int32 {
    while let happened = job.handleEvent() {
      // Behind the word that says who is lost: whoever finds its connection given up finds that, too.
      if job.lostPeerWord.load() != 0 { endpoint?.giveUpConnections() }
      switch happened {
      case .peerLost(let node, let how): log(.error, "node \(node) is gone: \(how)")
      case .launcherGone:
        // Where the rendezvous was a node's, its loss has been told.
        if job.lostPeerWord.load() == UInt64(Job.launcherNode + 1) { log(.error, "the launcher is gone") }
        // The job says the same as often as it is asked.
        return -1
      }
    }
    return descriptor
  }
}
