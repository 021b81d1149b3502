import CVerbs
import Glibc

/// A call to libibverbs or librdmacm that failed, or an event that says so: which verb, on what, what the
/// system said, and what usually lies behind it.
public struct VerbsError: Error, Sendable, CustomStringConvertible {
  /// What kind of failure.
  public enum Reason: Sendable, Equatable {
    /// The call returned this errno.
    case system(code: Int32)
    /// Nothing happened within the given time.
    case timedOut(milliseconds: Int)
    /// A connection event other than the awaited one came, with its status (an errno, or the reason of a
    /// reject).
    case connection(event: ConnectionEvent.Kind, status: Int32)
    /// The queue pair is in a state from which the transition is not possible.
    case invalidTransition(from: QueuePairState, to: QueuePairState)
    /// A work request ended with an error status.
    case completion(CompletionStatus, vendorCode: UInt32)
    /// A name of a host or device that does not exist; the text says what there is.
    case notFound(String)
    /// There are devices, and none can be used; the text says of each why.
    case noneUsable(String)
  }

  /// The function of the C library: "ibv_reg_mr".
  public let verb: String
  /// On what it was called: "64 MiB of memory at 0x7f0000000000".
  public let object: String
  /// What kind of failure.
  public let reason: Reason
  /// The usual cause and its cure; empty where nothing is known.
  public let advice: String

  /// An error as its parts; `advice` nil asks `Advice`.
  init(_ verb: String, on object: String, _ reason: Reason, advice: String? = nil) {
    self.verb = verb
    self.object = object
    self.reason = reason
    if let advice {
      self.advice = advice
    } else {
      self.advice = Advice.text(verb: verb, reason: reason)
    }
  }

  /// The system's error number; 0 where the failure has none.
  public var code: Int32 {
    if case .system(let code) = reason { code } else { 0 }
  }

  /// One sentence, and the advice behind a semicolon.
  public var description: String {
    let cure = advice.isEmpty ? "" : "; \(advice)"
    return "\(verb) on \(object) \(outcome)\(cure)."
  }

  private var outcome: String {
    switch reason {
    case .system(let code): "failed: \(String(cString: strerror(code))) (errno \(code))"
    case .timedOut(let milliseconds): "brought nothing within \(milliseconds) ms"
    case .connection(let event, let status): "ended with the event \"\(event)\" (status \(status))"
    case .invalidTransition(let from, let to): "cannot go from \"\(from)\" to \"\(to)\""
    case .completion(let status, let vendor):
      "completed with \"\(status)\" (status \(status.rawValue), vendor code \(vendor))"
    case .notFound(let text): "found nothing: \(text)"
    case .noneUsable(let text): "found no port that can be used: \(text)"
    }
  }
}

/// The calls of the C libraries that answer with 0 or an errno.
@inline(__always)
func check(_ code: Int32, _ verb: String, on object: @autoclosure () -> String) throws(VerbsError) {
  if code != 0 { throw VerbsError(verb, on: object(), .system(code: code)) }
}

/// The calls that answer with -1 and set errno.
@inline(__always)
func checkErrno(_ result: Int32, _ verb: String, on object: @autoclosure () -> String) throws(VerbsError) {
  if result != 0 {
    let code = errno
    throw VerbsError(verb, on: object(), .system(code: code))
  }
}

/// The calls that answer with a pointer, nil and errno where they fail.
@inline(__always)
func checkPointer<T>(
  _ pointer: UnsafeMutablePointer<T>?, _ verb: String, on object: @autoclosure () -> String
) throws(VerbsError) -> UnsafeMutablePointer<T> {
  if let pointer { return pointer }
  // Some providers return nil and leave errno at 0.
  let code = errno == 0 ? EIO : errno
  throw VerbsError(verb, on: object(), .system(code: code))
}
