import Bootstrap

// Who starts the nodes.

extension Examination {
  func launcherFindings() -> [Finding] { [launcherFinding(), environmentFinding(), rendezvousFinding()] }

  func launcherFinding() -> Finding {
    let name = "launcher.found"
    let directories = (host.variable("PATH") ?? "").split(separator: ":").map(String.init)
    let others = ["mpirun", "mpiexec", "srun"].compactMap { program in
      directories.map { $0 + "/" + program }.first { HostFiles.isExecutable(host.root + $0) }
    }
    guard HostFiles.isExecutable(host.program) else {
      return .fail(
        name, "this program cannot start itself again: \"\(host.program)\" is not there",
        cure: "install merino where every host of the job sees it at the same path")
    }
    let rest = others.isEmpty ? "; no mpirun, mpiexec or srun in PATH" : "; " + others.joined(separator: ", ")
    return .pass(name, "merino run (\(host.program))\(rest)")
  }

  func environmentFinding() -> Finding {
    let name = "launcher.environment"
    if let socket = host.variable(JobEnvironment.rendezvousName) {
      let node = host.variable(JobEnvironment.nodeName) ?? "?"
      if socket.hasPrefix("/") && !host.exists(socket) {
        return .fail(
          name,
          "MERINO_RENDEZVOUS names \(socket), which is gone: programs started here look for a job that is "
            + "over",
          cure: "unset MERINO_RENDEZVOUS MERINO_NODE MERINO_NODES")
      }
      return .pass(name, "this is node \(node) of a job of merino run")
    }
    let signs = [
      "OMPI_COMM_WORLD_SIZE": "mpirun of Open MPI", "PMI_SIZE": "mpiexec (PMI)",
      "PMIX_RANK": "a PMIx launcher",
      "SLURM_JOB_ID": "Slurm",
    ]
    let found = signs.keys.sorted().compactMap { variable in
      host.variable(variable).map { "\(signs[variable] ?? "") (\(variable)=\($0))" }
    }
    if found.isEmpty {
      return .pass(name, "none: a program started here without merino run is a job of one node")
    }
    return .pass(name, "inside " + found.joined(separator: ", "))
  }

  func rendezvousFinding() -> Finding {
    let name = "launcher.rendezvous"
    switch host.rendezvous() {
    case .success(let parent): return .pass(name, "a job's socket can be made in \(parent)")
    case .failure(let error):
      return .fail(
        name, error.description, cure: "set XDG_RUNTIME_DIR to a directory of this user with a short path")
    }
  }
}
