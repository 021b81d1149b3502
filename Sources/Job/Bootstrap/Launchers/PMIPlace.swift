import Glibc

/// What a PMI launcher's environment says: which process this is, and where the launcher listens.
package struct PMIPlace: Sendable, Hashable {
  package enum Version: Sendable {
    case one, two
    /// Slurm's plugin, which speaks both: the one that is spoken first on a connection.
    case either
  }

  let rank: Int
  let size: Int
  let descriptor: Int32
  let version: Version
  /// Slurm's name of the job, which PMI-2 repeats.
  let jobName: String

  init(rank: Int, size: Int, descriptor: Int32, version: Version, jobName: String = "") {
    self.rank = rank
    self.size = size
    self.descriptor = descriptor
    self.version = version
    self.jobName = jobName
  }

  init(_ variable: (String) -> String?, version: Version) throws(BootstrapError) {
    func number(_ name: String) throws(BootstrapError) -> Int {
      guard let text = variable(name), let number = Int32(text) else {
        throw BootstrapError(
          .badEnvironment,
          "a PMI launcher (mpiexec, srun) started this process, but \(name) is "
            + "\(variable(name).map { "\"\($0)\"" } ?? "not set"); it must be a whole number. Start the "
            + "program by the launcher, or set \(Launch.launcherName)=none for a job of one node.")
      }
      return Int(number)
    }
    let (rank, size) = (try number("PMI_RANK"), try number("PMI_SIZE"))
    try NodeNumbers.check(rank: rank, size: size, "PMI_RANK and PMI_SIZE")
    self.init(
      rank: rank, size: size, descriptor: Int32(try number("PMI_FD")), version: version,
      jobName: variable("PMI_JOBID") ?? "")
  }
}
