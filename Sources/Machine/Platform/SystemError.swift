import CPlatform

/// A system call that failed: what was tried, on what, what the system said, and what to do.
public struct SystemError: Error, Sendable, CustomStringConvertible {
  /// What was tried, as a clause: "map 64 MiB of frames".
  public let attempt: String
  /// The system call: "mmap".
  public let call: String
  /// The system's error number.
  public let code: Int32
  /// What the user can do about it; empty where nothing is known.
  public let advice: String

  public init(
    attempt: String, call: String, code: Int32 = cplatform_errno(), advice: String = ""
  ) {
    self.attempt = attempt
    self.call = call
    self.code = code
    self.advice = advice
  }

  public var description: String {
    let reason = String(cString: strerror(code))
    let cure = advice.isEmpty ? "" : "; \(advice)"
    return "could not \(attempt): \(call) said \(reason) (errno \(code))\(cure)."
  }
}
