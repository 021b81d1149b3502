/// A launcher of parallel programs (mpirun, mpiexec, srun) as joining needs it: it numbers the processes and
/// carries one short text from node 0 to the others. All else goes through a rendezvous that node 0 keeps,
/// since what the launchers offer differs and is made for a few large exchanges at the start: no news of
/// single deaths, no descriptors, and nothing that two libraries of one process could use at the same time.
protocol ProcessManager: Sendable {
  /// "mpiexec (PMI-1)".
  var name: String { get }
  var node: Int { get }
  var nodeCount: Int { get }
  /// Collective: returns node 0's text, to everybody. Printable ASCII without blanks, `=` and `;`.
  ///
  /// - Throws: `.joinTimedOut`, `.cannotReachLauncher`, `.protocolViolation`.
  func share(_ text: String?, withinMilliseconds limit: Int) throws(BootstrapError) -> String
  /// Has the launcher end the job with this exit code.
  func abort(code: Int32)
  /// The launcher need not worry about this process's end any more.
  func leave()
}

extension ProcessManager {
  /// Not everybody came to a collective call of the launcher's.
  func timedOut(_ limitMilliseconds: Int) -> BootstrapError {
    BootstrapError(
      .joinTimedOut,
      "not every one of the \(nodeCount) processes that \(name) started called for joining within "
        + "\(Double(limitMilliseconds) / 1000) s, and node \(node) waited; see why (all of them must join), "
        + "or raise the limit with \(JobEnvironment.joinTimeoutName) (in seconds).")
  }
}

enum NodeNumbers {
  /// A launcher's number of processes, and one of them.
  static func check(rank: Int, size: Int, _ source: String) throws(BootstrapError) {
    guard size >= 1, (0..<size).contains(rank) else {
      throw BootstrapError(
        .badEnvironment,
        "\(source) say that this is process \(rank) of \(size), which cannot be; see how it was started, or "
          + "set \(Launch.launcherName)=none for a job of one node.")
    }
    guard size <= Job.maximumNodeCount else {
      throw BootstrapError(
        .limitExceeded,
        "the launcher started \(size) processes, and a job has at most \(Job.maximumNodeCount) nodes; start "
          + "fewer."
      )
    }
  }
}
