import Bootstrap
import Glibc

/// An outpost, as far as the launcher has heard of it.
final class OutpostState {
  let outpost: Outpost
  /// Nothing of the job is left there.
  var isGone = false
  var hasHeardWhy = false
  init(_ outpost: Outpost) { self.outpost = outpost }

  /// "merino on host b (nodes 2 and 3)"
  var title: String { "merino on host \(outpost.hostName) (\(NodeList.sentence(outpost.nodes)))" }
}

/// Nodes on other hosts.
extension Launcher {
  /// Hosts have this long, after they were told to end, to say that they have.
  private static let outpostPatienceMilliseconds = 5000

  func openToOthers(_ remote: JobPlan.Remote, _ spawner: NodeSpawner) throws {
    guard let server else { return }
    let port = try server.listen(host: remote.listenHost, port: remote.port, secret: remote.secret)
    server.fabricForOutposts = plan.fabric ?? ""
    guard !remote.hosts.isEmpty else { return invite(remote, port) }
    let addresses = LauncherAddresses.all(listenHost: remote.listenHost, port: port)
    var next = 0
    for host in remote.hosts {
      let nodes = Array(next..<next + host.nodeCount)
      next += host.nodeCount
      guard !host.isHere else { continue }
      let entry = agents.count
      server.addEntry(nodes)
      try startAgent(entry, host, nodes, remote, addresses, spawner)
    }
    let limit = plan.joinTimeoutMilliseconds
    loop.after(milliseconds: limit) { [weak self] in self?.expectEveryHost(limit) }
  }

  /// How others get here, for whoever starts them.
  private func invite(_ remote: JobPlan.Remote, _ port: UInt16) {
    let host = remote.listenHost ?? Member.currentHostName()
    let address = HostAndPort(host: host, port: port)
    let count = plan.nodeCount - plan.localNodes.count
    complain(
      "merino: waiting for \(count) \(count == 1 ? "node" : "nodes") at port \(port); on other hosts: merino "
        + "run --join \(address) --secret-file \(remote.secretFile ?? "FILE") -n NODES -- PROGRAM")
  }

  func outpostJoined(_ outpost: Outpost) {
    let state = OutpostState(outpost)
    outposts.append(state)
    if let entry = outpost.entry { entriesSeen.insert(entry) }
    for node in outpost.nodes {
      nodes[node].outpost = outpost
      // The user's own name for it, where there is one.
      if nodes[node].hostName == nil { nodes[node].hostName = outpost.hostName }
    }
    if isEnding { tellEnd(state) }
  }

  func outpostSaid(_ outpost: Outpost, _ said: OutpostReport) {
    switch said {
    case .started(let node, let process, let programName):
      guard outpost.nodes.contains(node) else { return }
      nodes[node].process = process
      nodes[node].programName = programName
    case .ended(let node, let status):
      guard outpost.nodes.contains(node) else { return }
      ended(nodes[node], ExitStatus(raw: status))
    case .failed(let exitCode, let sentence):
      guard !isEnding else { return }
      report(sentence.trimmingFinalStop + " (on \(outpost.hostName)).")
      end(code: exitCode)
    case .gone:
      outposts.first { $0.outpost === outpost }?.isGone = true
      if isEnding { concludeOutposts() }
    }
  }

  /// What the node itself has said comes by other connections: it is heard first.
  private func ended(_ node: NodeProcess, _ status: ExitStatus) {
    node.status = status
    guard let server else { return }
    if server.hasLeft(node.node) || server.isSettled(node.node) {
      judge(node)
    } else {
      loop.after(milliseconds: Self.statusPatienceMilliseconds) { [weak self] in self?.judge(node) }
    }
    checkForEnd()
  }

  func outpostClosed(_ outpost: Outpost, _ reason: String?) {
    guard let state = outposts.first(where: { $0.outpost === outpost }) else { return }
    outposts.removeAll { $0 === state }
    guard !isEnding else { return concludeOutposts() }
    guard !state.isGone else { return }
    loseHost(
      state.title + " is lost: " + (reason?.trimmingFinalStop ?? "it closed its connection"), outpost.nodes)
  }

  /// The host of these nodes is lost, or whoever looked after them there.
  func loseHost(_ sentence: String, _ lost: [Int]) {
    let full = "\(sentence); the other nodes are being ended."
    for node in lost where nodes[node].status == nil { server?.declareLost(node, how: full) }
    report(full)
    let code = lost.compactMap { nodes[$0].status?.code }.first { $0 != 0 }
    end(code: code ?? ToolExit.failure)
  }

  /// A host that does not answer is not waited for.
  func giveUpHost(of node: NodeProcess) {
    guard let outpost = node.outpost else { return }
    outpost.close()
    outposts.removeAll { $0.outpost === outpost }
  }

  func endOutposts() {
    for state in outposts { tellEnd(state) }
    concludeOutposts()
    loop.after(milliseconds: Self.outpostPatienceMilliseconds) { [weak self] in
      guard let self else { return }
      for state in outposts {
        complain("merino: \(state.title) has not said within 5 s that its nodes have ended.")
        state.outpost.close()
      }
      outposts = []
    }
  }

  private func tellEnd(_ state: OutpostState) {
    guard !state.hasHeardWhy else { return }
    state.hasHeardWhy = true
    state.outpost.order(.end(sentence: lastSentence))
  }

  /// Once nothing is left anywhere, every outpost hears the job's exit code.
  func concludeOutposts() {
    guard outposts.allSatisfy(\.isGone) else { return }
    for state in outposts {
      if !lastSentence.isEmpty { tellEnd(state) }
      state.outpost.order(.over(exitCode: exitCode))
    }
  }

  /// By hand, a node names itself.
  func name(_ node: Int) {
    guard !nodes[node].isHere, nodes[node].process == 0, let member = server?.member(node) else { return }
    nodes[node].process = member.processID
    nodes[node].programName = member.programName
    if nodes[node].hostName == nil { nodes[node].hostName = member.hostName }
  }

  func passElsewhere(_ number: Int32) {
    for state in outposts where !state.isGone { state.outpost.order(.signal(number)) }
    guard plan.remote != nil, [SIGINT, SIGTERM, SIGHUP, SIGQUIT].contains(number), !isEnding else { return }
    // Nodes that no signal of ours reaches, since they are not here yet or nobody of ours started them.
    guard nodes.contains(where: { !$0.isHere && $0.outpost == nil }) else { return }
    report("merino run was sent \(SignalName.of(number)); the job is being ended.")
    end(code: ToolExit.signalled(number))
  }
}
