import CFakeProvider
import Glibc

/// What a thread does; handed over to it.
private final class Running {
  let body: () -> Void
  init(_ body: @escaping () -> Void) { self.body = body }
}

/// How a thread's work ended: written by it, read behind its join.
private final class Outcome<T: Sendable>: @unchecked Sendable {
  var result: Result<T, any Error>?
}

/// Runs `body(0 ..< count)` on a thread each, where the fake devices are seen, and waits for all.
func onThreads<T: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (Int) throws -> T
) -> [Result<T, any Error>] {
  let outcomes = (0..<count).map { _ in Outcome<T>() }
  let threads = outcomes.indices.map { index -> pthread_t in
    let outcome = outcomes[index]
    return start { outcome.result = Result { try body(index) } }
  }
  for id in threads { pthread_join(id, nil) }
  return outcomes.compactMap(\.result)
}

private func start(_ body: @escaping () -> Void) -> pthread_t {
  var id = pthread_t()
  // The thread takes the reference over.
  let running = Unmanaged.passRetained(Running(body))
  let code = pthread_create(
    &id, nil,
    { argument in
      guard let argument else { return nil }
      cfake_enable(1)
      Unmanaged<Running>.fromOpaque(argument).takeRetainedValue().body()
      return nil
    }, running.toOpaque())
  precondition(code == 0, "pthread_create failed with \(code)")
  return id
}
