import BenchmarkSupport

/// All findings, in the order of the checks.
package struct Report: Sendable {
  package let findings: [Finding]
  /// Name of the fabric that would be chosen.
  package let fabric: String

  /// Whether something fails for the fabric that would be chosen.
  package var hasFailed: Bool { count(.fail) > 0 }

  package func count(_ state: State) -> Int { findings.filter { $0.state == state }.count }

  /// A line each, and a summary as the last.
  package var text: String {
    let width = findings.map(\.check.count).max() ?? 0
    let lines = findings.map { finding in
      let name = finding.check + String(repeating: " ", count: width - finding.check.count)
      let cure = finding.cure.isEmpty ? "" : ". Cure: \(finding.cure)"
      return "\(finding.state.rawValue)  \(name)  \(finding.found)\(cure)"
    }
    return (lines + [summary]).joined(separator: "\n")
  }

  private var summary: String {
    let counts = "\(count(.pass)) pass, \(count(.warn)) warn, \(count(.fail)) fail, \(count(.skip)) skip"
    let verdict = hasFailed ? "is not ready" : "is ready"
    return "\(counts): this host \(verdict) for the fabric \"\(fabric)\""
  }

  /// The same for scripts, on one line: `checks`, an array of check, state, found and cure, and `summary`.
  package var json: JSON {
    let checks = findings.map { finding in
      JSON.object([
        ("check", .string(finding.check)), ("state", .string(finding.state.rawValue)),
        ("found", .string(finding.found)), ("cure", .string(finding.cure)),
      ])
    }
    let counts = State.allCases.map { ($0.rawValue, JSON.integer(count($0))) }
    let summary = JSON.object([("fabric", .string(fabric))] + counts)
    return .object([("checks", .array(checks)), ("summary", summary)])
  }
}
