import Bootstrap
import Glibc

/// What the launcher makes of nodes that end.
extension Launcher {
  func serve(_ report: RendezvousServer.Report) {
    switch report {
    case .joined(let node, _):
      name(node)
      judgeEarlyExits()
    case .allJoined: break
    case .joinTimedOut(_, let sentence): joinTimedOut(sentence)
    case .left: checkForEnd()
    case .disconnected(let node, let reason): disconnected(node, reason)
    case .vanished(let node, let reason):
      giveUpHost(of: nodes[node])
      if !isEnding { lose(nodes[node], "is lost: " + reason.trimmingFinalStop) }
    case .abortRequested(let node, let code): aborted(node, code)
    case .outpostJoined(let outpost): outpostJoined(outpost)
    case .outpostSaid(let outpost, let said): outpostSaid(outpost, said)
    case .outpostClosed(let outpost, let reason): outpostClosed(outpost, reason)
    }
  }

  /// Collects whatever has ended.
  func reap() {
    while true {
      switch ProcessTree.reap() {
      case .child(let process, let status):
        // Others are orphans of nodes, which came to us.
        if let node = nodes.first(where: { $0.isHere && $0.process == process }) {
          node.status = status
          judge(node)
        } else if let agent = agents.first(where: { $0.process == process }) {
          agent.status = status
          agentEnded(agent, status)
        }
      case .none: return checkForEnd()
      case .noChildren:
        hasChildren = false
        declareOutputComplete()
        // The last one here may have been the last of all.
        return checkForEnd()
      }
    }
  }

  /// A node's process has ended: was that a death?
  func judge(_ node: NodeProcess) {
    server?.hear(node.node)
    explain(node)
    guard !isEnding, let status = node.status, let server else { return }
    if server.hasLeft(node.node) {
      // Nobody needs it any more; its exit code counts all the same.
      guard status.code != 0 else { return }
      if exitCode == 0 { exitCode = status.code }
      complain("merino: \(node.title) \(status.clause) after it had left the job.")
    } else if status.code != 0 {
      lose(node, status.clause)
    } else if server.hasJoined(node.node) {
      // It may be a descendant that joined and goes on, a shell having been the node's first process.
      let joined = server.process(of: node.node) ?? node.process
      if joined == node.process {
        lose(node, "exited with code 0 without having left the job (it did not finalize, or could not)")
      } else if !server.isConnected(node.node) {
        lose(node, "lost process \(joined), which had joined for it and did not leave the job")
      }
    } else {
      judgeEarlyExits()
    }
  }

  /// A node that ended without joining is no loss to programs that do not join; to those who wait
  /// for it, it is.
  private func judgeEarlyExits() {
    guard !isEnding, let server, !server.presentNodes.isEmpty else { return }
    guard let node = nodes.first(where: { $0.status != nil && !server.hasJoined($0.node) }) else { return }
    lose(node, "exited with code 0 without having joined the job, while others wait for it")
  }

  private func disconnected(_ node: Int, _ reason: String?) {
    guard !isEnding else { return }
    let process = nodes[node]
    if let reason { return lose(process, "was cut off by the launcher: " + reason.trimmingFinalStop) }
    if process.status != nil { return judge(process) }
    let patience = process.outpost == nil ? Self.statusPatienceMilliseconds : Self.remotePatienceMilliseconds
    loop.after(milliseconds: patience) { [weak self] in
      guard let self, !isEnding, process.status == nil else { return }
      lose(process, "closed its connection without having left the job")
    }
  }

  /// The connection of a process that dies ends first; how it died may be known long after that, on a host
  /// that is slow. It is the job's exit code all the same, unless it died of a signal that the launcher has
  /// sent since.
  private func explain(_ node: NodeProcess) {
    guard node === unexplained, let status = node.status else { return }
    unexplained = nil
    // Of a shell, too, whose command died of it: the code is the same.
    let isOurs =
      status.code == ToolExit.signalled(SIGTERM) || (isKilling && status.code == ToolExit.signalled(SIGKILL))
    if status.code != 0 && !isOurs { exitCode = status.code }
  }

  func lose(_ node: NodeProcess, _ how: String) {
    let others = plan.nodeCount > 1 ? "; the other nodes are being ended" : ""
    let status = node.status
    let wanted = status?.signal.map { passedOn.contains($0) } ?? false
    let cause = wanted ? ", which merino run had been sent and passed on" : ""
    server?.declareLost(node.node, how: "\(node.title) \(how).")
    report("\(node.title) \(how)\(cause)\(others).")
    if status == nil && exitCode == 0 { unexplained = node }
    end(code: status.map { $0.code == 0 ? ToolExit.failure : $0.code } ?? ToolExit.failure)
  }

  private func aborted(_ node: Int, _ code: Int32) {
    guard !isEnding else { return }
    let how = "\(nodes[node].title) ended the job with code \(code & 0xFF) (merino_abort)."
    server?.declareLost(node, how: how)
    report(how)
    end(code: code & 0xFF)
  }

  private func joinTimedOut(_ sentence: String) {
    guard !isEnding else { return }
    report(sentence)
    isEnding = true
    if exitCode == 0 { exitCode = ToolExit.failure }
    // Those who waited have been told, too: they get the time to say it in their own words.
    loop.after(milliseconds: Self.statusPatienceMilliseconds) { [weak self] in self?.terminate() }
  }

  func timedOut(_ limitMilliseconds: Int) {
    guard !isEnding, hasChildren || plan.remote != nil else { return }
    let seconds = Double(limitMilliseconds) / 1000
    report("the job did not end within \(seconds) s (--timeout); it is being ended.")
    end(code: ToolExit.timedOut)
  }

  /// Ends everything that was started. The first reason to do so gives the exit code.
  func end(code: Int32, killAtOnce: Bool = false) {
    guard !isEnding || killAtOnce else { return }
    isEnding = true
    if exitCode == 0 { exitCode = code }
    if killAtOnce {
      // The outposts end what they have when they lose the launcher.
      for state in outposts { state.outpost.close() }
      outposts = []
      killRest(round: 0)
    } else {
      terminate()
    }
  }

  /// To the user, here and where an outpost was started by hand.
  func report(_ sentence: String) {
    complain("merino: \(sentence)")
    if lastSentence.isEmpty { lastSentence = sentence }
  }

  private func terminate() {
    endOutposts()
    let spared = agentsAtWork()
    ProcessTree.signalDescendants(SIGTERM, sparing: spared)
    // A stopped process gets it only when it runs again.
    ProcessTree.signalDescendants(SIGCONT, sparing: spared)
    loop.after(milliseconds: Self.graceMilliseconds) { [weak self] in self?.killRest(round: 0) }
  }

  /// Again and again, since what is killed may just have started something.
  private func killRest(round: Int) {
    // Outposts kill at the same time.
    isKilling = true
    guard hasChildren else { return }
    guard round < 500 else {
      complain("merino: some of the nodes' processes cannot be ended: \(rest()).")
      hasChildren = false
      return declareOutputComplete()
    }
    // What comes through a launch agent has five seconds to get here.
    ProcessTree.signalDescendants(SIGKILL, sparing: round < 250 ? agentsAtWork() : [])
    loop.after(milliseconds: 20) { [weak self] in self?.killRest(round: round + 1) }
  }

  private func rest() -> String {
    ProcessTree.descendants(of: getpid()).map { "process \($0.process)" }.joined(separator: ", ")
  }

  /// All nodes have ended well; what they started beside themselves does not outlive the job. It
  /// has the usual grace to end by itself first (`prog > >(tee log)`).
  func checkForEnd() {
    guard !isEnding, let server else { return }
    let isOver = nodes.allSatisfy { node in
      // Of a node that nobody of ours started there is no exit to hear of.
      let isOnItsOwn = !node.isHere && node.outpost == nil
      let hasEnded = node.status != nil || (isOnItsOwn && server.hasLeft(node.node))
      return hasEnded && (!server.hasJoined(node.node) || server.hasLeft(node.node))
    }
    guard isOver else { return }
    isEnding = true
    concludeOutposts()
    loop.after(milliseconds: Self.graceMilliseconds) { [weak self] in
      guard let self else { return }
      if hasChildren || !outposts.isEmpty { terminate() }
    }
  }
}

extension String {
  /// A sentence as a clause of another.
  var trimmingFinalStop: String { hasSuffix(".") ? String(dropLast()) : self }
}
