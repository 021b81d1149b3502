import Glibc

/// A barrier of this process's threads: after it each sees what the others wrote before it.
final class ThreadBarrier: @unchecked Sendable {
  // The pthread barrier lives in memory of its own and never moves; its operations are thread-safe.
  private let barrier = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 1)

  init(_ count: Int) {
    guard pthread_barrier_init(barrier, nil, UInt32(count)) == 0 else {
      Failure.report("pthread_barrier_init failed")
    }
  }

  deinit {
    pthread_barrier_destroy(barrier)
    barrier.deallocate()
  }

  func wait() { pthread_barrier_wait(barrier) }
}

/// Runs `body(0 ..< count)` each on its own thread, 0 on the caller's, and waits for all.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  final class Start: Sendable {
    let index: Int
    let body: @Sendable (Int) -> Void
    init(_ index: Int, _ body: @escaping @Sendable (Int) -> Void) {
      self.index = index
      self.body = body
    }
  }
  var threads: [pthread_t] = []
  for index in 1..<max(count, 1) {
    var id = pthread_t()
    // The thread takes the reference over.
    let start = Unmanaged.passRetained(Start(index, body))
    let code = pthread_create(
      &id, nil,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        start.body(start.index)
        return nil
      }, start.toOpaque())
    guard code == 0 else { Failure.report("pthread_create failed with \(code)") }
    threads.append(id)
  }
  body(0)
  for id in threads { pthread_join(id, nil) }
}
