import Bootstrap
import CPlatform
import Coherence
import Glibc
import Node
import Synchronization

/// The thread that does for this node what cannot be done in a signal handler or has to be noticed while
/// nobody calls: registering chunks, and the loss of a node. Sleeps in poll(2) otherwise.
final class ServiceThread: Sendable {
  private let job: Job
  private let engine: NodeEngine
  private let wakeDescriptor: Int32
  private let isStopping = Atomic<Bool>(false)
  private let thread = Mutex<pthread_t?>(nil)
  private let log: Logger

  init(job: Job, engine: NodeEngine, log: Logger) throws(MerinoError) {
    self.job = job
    self.engine = engine
    self.log = log
    wakeDescriptor = cplatform_event_descriptor()
    guard wakeDescriptor >= 0 else {
      throw MerinoError(.system, "could not join: eventfd said \(String(cString: strerror(errno))).")
    }
  }

  deinit { close(wakeDescriptor) }

  /// Starts the thread, with all signals blocked: they are the program's threads' to take.
  func start() throws(MerinoError) {
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
    var one: UInt64 = 1
    _ = write(wakeDescriptor, &one, 8)
    if let id = thread.withLock({ $0 }) { pthread_join(id, nil) }
  }

  private func run() {
    var event = job.eventDescriptor
    while !isStopping.load(ordering: .acquiring) {
      _ = engine.serveChunkRequests()
      var descriptors = [
        pollfd(fd: wakeDescriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: event, events: Int16(POLLIN), revents: 0),
      ]
      // A negative descriptor is passed over by poll.
      let ready = poll(&descriptors, 2, -1)
      guard ready > 0, descriptors[1].revents != 0 else { continue }
      while let happened = job.handleEvent() {
        switch happened {
        case .peerLost(let node, let how): log(.error, "node \(node) is gone: \(how)")
        case .launcherGone:
          log(.error, "the launcher is gone")
          event = -1
        }
      }
    }
  }
}
