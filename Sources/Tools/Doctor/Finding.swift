/// What a check says of the host.
package enum State: String, Sendable, CaseIterable {
  /// As it should be.
  case pass
  /// Merino runs; something works less well, or not at all with another fabric.
  case warn
  /// The fabric that would be chosen does not work, or not with a job of this size.
  case fail
  /// Does not apply here; `found` says why.
  case skip
}

/// One line of the report.
package struct Finding: Sendable, Equatable {
  /// The check's name: stable, for scripts. Devices and ports have a line each of the same name.
  package let check: String
  /// The verdict.
  package let state: State
  /// What was found, as half a sentence.
  package let found: String
  /// What to do about it; empty where nothing has to be done.
  package let cure: String

  init(_ check: String, _ state: State, _ found: String, cure: String = "") {
    self.check = check
    self.state = state
    self.found = found
    // A line that passes has no cure: there is nothing to do.
    self.cure = state == .warn || state == .fail ? cure : ""
  }

  static func pass(_ check: String, _ found: String) -> Finding { Finding(check, .pass, found) }
  static func skip(_ check: String, _ found: String) -> Finding { Finding(check, .skip, found) }
  static func warn(_ check: String, _ found: String, cure: String) -> Finding {
    Finding(check, .warn, found, cure: cure)
  }
  static func fail(_ check: String, _ found: String, cure: String) -> Finding {
    Finding(check, .fail, found, cure: cure)
  }
}
