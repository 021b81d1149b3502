import Bootstrap
import Glibc

/// The launch agents of `--hosts`.
extension Launcher {
  func startAgent(
    _ entry: Int, _ host: HostEntry, _ nodes: [Int], _ remote: JobPlan.Remote, _ addresses: [HostAndPort],
    _ spawner: NodeSpawner
  ) throws {
    let line = LaunchAgent.commandLine(
      merino: remote.remoteMerino, addresses: addresses, entry: entry, nodeCount: nodes.count)
    let (input, out, error) = (try Pipe.make(), try Pipe.make(), try Pipe.make())
    defer { for end in [input.reading, out.writing, error.writing] { close(end) } }
    output?.addAgent(output: out.reading, error: error.reading, isLabelled: plan.labelsOutput)
    let process = try spawner.start(
      "the launch agent of host \(host.name)", words: remote.agent + [host.name, line],
      environment: ProgramEnvironment(setting: [:]), files: (input.reading, out.writing, error.writing),
      isApart: true)
    let relays = nodes.contains(0) && LauncherAddresses.mayReadInput
    relaysInput = relaysInput || relays
    let frame = JobFrame(secret: remote.secret, labelsOutput: plan.labelsOutput, words: remote.words)
    let agent = LaunchAgent(
      entry: entry, hostName: host.name, command: remote.agent.joined(separator: " "), process: process,
      input: AgentInput(input.writing, first: frame.line(), relays: relays, loop: loop))
    agents.append(agent)
    for node in nodes { nodesAwaited(node, host.name) }
  }

  private func nodesAwaited(_ node: Int, _ hostName: String) { nodes[node].hostName = hostName }

  private func hasCome(_ agent: LaunchAgent) -> Bool { entriesSeen.contains(agent.entry) }

  func expectEveryHost(_ limitMilliseconds: Int) {
    let missing = agents.filter { !hasCome($0) }
    guard !isEnding, !missing.isEmpty else { return }
    let seconds = Double(limitMilliseconds) / 1000
    for agent in missing {
      report(
        "\(agent.title) has not joined within \(seconds) s; see whether the host can be reached without a "
          + "password, and can reach this one (--listen-address), or raise the limit with --join-timeout.")
    }
    end(code: ToolExit.failure)
  }

  /// The agents whose outposts have come: they bring the output, and end by themselves.
  func agentsAtWork() -> Set<pid_t> {
    Set(agents.filter { $0.status == nil && hasCome($0) }.map(\.process))
  }

  func agentEnded(_ agent: LaunchAgent, _ status: ExitStatus) {
    agent.closeInput()
    guard !isEnding else { return }
    guard hasCome(agent) else {
      report(
        "the launch agent of \(agent.title) \(status.clause) before its nodes were started; see what it said."
      )
      return end(code: ToolExit.failure)
    }
    // The outpost may have said everything: that is heard first.
    loop.after(milliseconds: Self.statusPatienceMilliseconds) { [weak self] in
      guard let self, !isEnding, let state = outposts.first(where: { $0.outpost.entry == agent.entry }) else {
        return
      }
      guard !state.isGone else { return }
      loseHost("the launch agent of \(agent.title) \(status.clause) while its nodes ran", state.outpost.nodes)
    }
  }
}
