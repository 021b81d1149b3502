import Glibc

/// What a launcher tells a node through its environment.
package struct JobEnvironment: Sendable, Hashable {
  package static let nodeName = "MERINO_NODE"
  package static let nodeCountName = "MERINO_NODES"
  package static let rendezvousName = "MERINO_RENDEZVOUS"
  package static let secretFileName = "MERINO_SECRET_FILE"
  package static let fabricName = "MERINO_FABRIC"
  package static let joinTimeoutName = "MERINO_JOIN_TIMEOUT"

  package static let defaultJoinTimeoutMilliseconds = 60_000
  package static let longestJoinTimeoutMilliseconds = 1_000_000_000

  /// `nil`, over TCP: as the launcher says.
  package var node: Int?
  package var nodeCount: Int?
  package var rendezvous: RendezvousAddress
  /// Over TCP.
  package var secretFile: String?

  /// For a node of this machine.
  package init(node: Int, nodeCount: Int, rendezvous: String) {
    self.node = node
    self.nodeCount = nodeCount
    self.rendezvous = .path(rendezvous)
  }

  package init(node: Int?, nodeCount: Int?, rendezvous: HostAndPort, secretFile: String) {
    self.node = node
    self.nodeCount = nodeCount
    self.rendezvous = .tcp(rendezvous)
    self.secretFile = secretFile
  }

  /// `nil` for a program that no launcher started.
  package static func read() throws(BootstrapError) -> JobEnvironment? {
    guard let rendezvous = value(rendezvousName) else { return nil }
    switch try RendezvousAddress(rendezvous) {
    case .path(let path):
      let nodeCount = try required(nodeCountName, in: 1...Job.maximumNodeCount)
      let node = try required(nodeName, in: 0...nodeCount - 1)
      return JobEnvironment(node: node, nodeCount: nodeCount, rendezvous: path)
    case .tcp(let address):
      guard let secretFile = value(secretFileName) else {
        throw BootstrapError(
          .badEnvironment,
          "\(rendezvousName) is \(rendezvous) but \(secretFileName) is not set; it names the file with the "
            + "job's secret, as merino run --listen has it.")
      }
      let nodeCount = try integer(nodeCountName, in: 1...Job.maximumNodeCount)
      let node = try integer(nodeName, in: 0...(nodeCount ?? Job.maximumNodeCount) - 1)
      return JobEnvironment(node: node, nodeCount: nodeCount, rendezvous: address, secretFile: secretFile)
    }
  }

  /// The time limit for joining that the user set, or the default.
  package static func joinTimeoutMilliseconds() throws(BootstrapError) -> Int {
    guard let text = value(joinTimeoutName) else { return defaultJoinTimeoutMilliseconds }
    return try milliseconds(seconds: text, setting: joinTimeoutName)
  }

  /// Seconds, with decimals if need be, as milliseconds.
  package static func milliseconds(seconds text: String, setting: String) throws(BootstrapError) -> Int {
    guard let seconds = Double(text), seconds >= 0.001, seconds <= 1_000_000 else {
      throw BootstrapError(
        .badEnvironment,
        "\(setting) is \"\(text)\"; it must be a number of seconds between 0.001 and 1000000.")
    }
    return Int((seconds * 1000).rounded(.up))
  }

  /// Variables that say which node a process is, and not how the job is set.
  package static let placeNames = [nodeName, nodeCountName, rendezvousName, secretFileName]

  /// Variables as the environment of a program has them.
  package var assignments: [String: String] {
    var assignments = [Self.rendezvousName: rendezvous.text]
    assignments[Self.nodeName] = node.map { "\($0)" }
    assignments[Self.nodeCountName] = nodeCount.map { "\($0)" }
    assignments[Self.secretFileName] = secretFile
    return assignments
  }

  private static func value(_ name: String) -> String? {
    guard let raw = getenv(name), raw.pointee != 0 else { return nil }
    return String(cString: raw)
  }

  private static func required(_ name: String, in range: ClosedRange<Int>) throws(BootstrapError) -> Int {
    guard let number = try integer(name, in: range) else {
      throw BootstrapError(
        .badEnvironment,
        "\(rendezvousName) is set but \(name) is not; start the program with merino run, or unset "
          + "\(rendezvousName) to run it as a job of one node.")
    }
    return number
  }

  private static func integer(_ name: String, in range: ClosedRange<Int>) throws(BootstrapError) -> Int? {
    guard let text = value(name) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw BootstrapError(
        .badEnvironment,
        "\(name) is \"\(text)\"; it must be a whole number from \(range.lowerBound) to \(range.upperBound).")
    }
    return number
  }
}
