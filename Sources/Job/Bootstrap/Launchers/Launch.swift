import Glibc

/// Who started this process, as its environment says.
package enum Launch: Sendable, Hashable {
  /// Nobody: a job of one node.
  case alone
  case merino(JobEnvironment)
  case pmix
  case pmi(PMIPlace)

  package static let launcherName = "MERINO_LAUNCHER"

  /// - Throws: `.badEnvironment` where a launcher has left its signs but cannot be spoken to: processes that
  ///   it started together must not each become a job of one.
  package static func find() throws(BootstrapError) -> Launch {
    try find { name in
      guard let raw = getenv(name), raw.pointee != 0 else { return nil }
      return String(cString: raw)
    }
  }

  static func find(_ variable: (String) -> String?) throws(BootstrapError) -> Launch {
    switch variable(launcherName) ?? "auto" {
    case "auto": return try findBySigns(variable)
    case "none": return .alone
    case "merino": return try findMerino()
    case "pmix": return .pmix
    case "pmi1": return .pmi(try PMIPlace(variable, version: .one))
    case "pmi2": return .pmi(try PMIPlace(variable, version: .two))
    case let other:
      throw BootstrapError(
        .badEnvironment,
        "\(launcherName) is \"\(other)\"; it must be auto, merino, pmix, pmi1, pmi2 or none (a job of one "
          + "node)."
      )
    }
  }

  /// The nearest launcher first: `merino run` may itself have been started by one of the others.
  private static func findBySigns(_ variable: (String) -> String?) throws(BootstrapError) -> Launch {
    if variable(JobEnvironment.rendezvousName) != nil { return try findMerino() }
    if variable("PMIX_RANK") != nil && variable("PMIX_NAMESPACE") != nil { return .pmix }
    if variable("PMI_FD") != nil {
      // Slurm's plugin alone gives the job's name by this variable; the others speak PMI-1, all of them.
      return .pmi(try PMIPlace(variable, version: variable("PMI_JOBID") == nil ? .one : .either))
    }
    try refuseUnreachable(variable)
    return .alone
  }

  private static func findMerino() throws(BootstrapError) -> Launch {
    if let environment = try JobEnvironment.read() { return .merino(environment) }
    throw BootstrapError(
      .badEnvironment,
      "\(launcherName) is \"merino\" and \(JobEnvironment.rendezvousName) is not set; start the program with "
        + "merino run.")
  }

  private static func refuseUnreachable(_ variable: (String) -> String?) throws(BootstrapError) {
    let signs = [
      (
        "PMI_SIZE", "there is neither PMI_FD nor PMIX_RANK",
        "use a launcher that gives PMI by PMI_FD, or PMIx"
      ),
      (
        "SLURM_STEP_NUM_TASKS", "srun gave them neither PMIx nor PMI",
        "use srun --mpi=pmix or srun --mpi=pmi2 (srun --mpi=list says what is there)"
      ),
      ("OMPI_COMM_WORLD_SIZE", "there is no PMIX_RANK", "use an mpirun of Open MPI 2 or newer"),
    ]
    for (name, what, cure) in signs {
      guard let text = variable(name), text != "1" else { continue }
      throw BootstrapError(
        .badEnvironment,
        "\(name) is \(text): a launcher started this process as one of \(text), but \(what), so they cannot "
          + "find each other; \(cure), or set \(launcherName)=none for a job of one node.")
    }
  }
}
