import Glibc
import Merino
import Synchronization

/// Checks that print a line each, as the programs of Tests/Programs do.
enum Checks {
  static let failures = Atomic<Int>(0)
  nonisolated(unsafe) static var node = -1

  /// One test. A line goes out in one write, so that those of several nodes do not mix.
  static func check(_ condition: Bool, _ name: String, line: Int = #line) {
    if !condition { failures.wrappingAdd(1, ordering: .relaxed) }
    say(condition ? "PASS \(name) [\(node)]" : "FAIL \(name) [\(node)]: line \(line)")
  }

  /// One test: `body` throws an error of this code, with a sentence.
  static func refuses(
    _ code: MerinoError.Code, _ name: String, line: Int = #line, _ body: () throws -> Void
  ) {
    do {
      try body()
      check(false, name + ": nothing was thrown", line: line)
    } catch let error as MerinoError {
      let isSentence = error.description.hasSuffix(".") && error.description.count > 25
      check(error.code == code && isSentence, "\(name): \(error.code)", line: line)
    } catch {
      check(false, "\(name): \(error)", line: line)
    }
  }

  static func say(_ line: String) {
    _ = (line + "\n").withCString { write(1, $0, strlen($0)) }
  }
}

/// Runs `body` on a thread of its own; the result waits for its end.
func onThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
  final class Box {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var thread = pthread_t()
  let code = pthread_create(
    &thread, nil,
    { argument in
      guard let argument else { return nil }
      Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body()
      return nil
    }, Unmanaged.passRetained(Box(body)).toOpaque())
  precondition(code == 0, "pthread_create said \(code)")
  return thread
}
