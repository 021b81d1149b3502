import Bootstrap
import CBootstrap
import Glibc
import Platform

/// What `merino run --join` was asked for.
struct OutpostPlan {
  let addresses: [HostAndPort]
  let secret: [UInt8]
  /// `nil`: the secret came by standard input, and nodes read it from the job's private directory.
  var secretFile: String?
  /// Which entry of `--hosts` this is; `nil` where somebody started it by hand.
  var entry: Int?
  /// Node by node.
  let words: [[String]]
  var labelsOutput = false
}

/// Starts and ends nodes of a job whose launcher is on another host. What it sees goes to the launcher, which
/// decides; without the launcher nothing here goes on.
final class OutpostLauncher {
  private let plan: OutpostPlan
  private let directory: RendezvousDirectory
  private let signals: LauncherSignals
  private let loop = EventLoop()
  private let hostName = Member.currentHostName()
  private var link: OutpostLink?
  private var output: LabelledOutput?
  private var nodes: [NodeProcess] = []
  private var hasChildren = true
  private var isEnding = false
  private var hasSaidGone = false
  /// The job's exit code, once the launcher has said it, or lost it.
  private var exitCode: Int32?

  private init(_ plan: OutpostPlan, _ signals: LauncherSignals, _ directory: RendezvousDirectory) {
    self.plan = plan
    self.signals = signals
    self.directory = directory
  }

  static func run(
    _ plan: OutpostPlan, _ signals: LauncherSignals, _ directory: RendezvousDirectory, lifeline: Int32
  ) -> Int32 {
    defer { directory.remove() }
    let outpost = OutpostLauncher(plan, signals, directory)
    do {
      guard cbootstrap_become_subreaper() == 0 else {
        throw SystemError(attempt: "adopt what the nodes leave behind", call: "prctl")
      }
      try outpost.serve(lifeline: lifeline)
      while !outpost.isFinished {
        outpost.loop.runOnce()
        outpost.sayWhenGone()
      }
      return outpost.exitCode ?? ToolExit.failure
    } catch {
      outpost.say("\(error)")
      _ = ProcessTree.killAll(withinMilliseconds: 5000)
      return ToolExit.failure
    }
  }

  /// On a terminal that shows several hosts the host is named.
  private func say(_ sentence: String) {
    complain(plan.entry == nil ? "merino: \(sentence)" : "merino on \(hostName): \(sentence)")
  }

  private var isOutputFinished: Bool { output?.isFinished ?? true }
  private var isFinished: Bool { exitCode != nil && !hasChildren && isOutputFinished }

  private func serve(lifeline: Int32) throws {
    let openFiles = DescriptorLimit.current()
    DescriptorLimit.raiseToHardLimit()
    watchSignals()
    loop.watch(lifeline, POLLIN) { [weak self] _ in
      guard let self else { return }
      loop.unwatch(lifeline)
      // Killed beyond catching: so are the nodes.
      abandon(code: ToolExit.signalled(SIGKILL))
    }
    let hello = OutpostHello(entry: plan.entry, nodeCount: plan.words.count, hostName: hostName)
    let link = try OutpostLink(plan.addresses, secret: plan.secret, hello: hello, loop: loop)
    self.link = link
    link.onOrder = { [weak self] order in self?.obey(order) }
    link.onClosed = { [weak self] in self?.lostLauncher() }
    guard link.welcome.nodes.count == plan.words.count else {
      throw BootstrapError(
        .protocolViolation,
        "the launcher wants \(link.welcome.nodes.count) nodes here, and "
          + "\(plan.words.count) were asked for; use merino of one build on all hosts.")
    }
    if plan.labelsOutput { output = LabelledOutput(nodeCount: link.welcome.nodeCount, loop: loop) }
    do {
      try startNodes(link, openFiles)
    } catch let failure as NodeSpawner.Failure {
      link.report(.failed(exitCode: failure.exitCode, sentence: failure.sentence))
      end()
    }
    reap()
    sayWhenGone()
  }

  private func startNodes(_ link: OutpostLink, _ openFiles: rlimit) throws {
    if plan.secretFile == nil {
      _ = try SecretFile.create(directory.secretPath, plan.secret)
    }
    let noInput = open("/dev/null", O_RDONLY | O_CLOEXEC)
    guard noInput >= 0 else { throw SystemError(attempt: "open /dev/null", call: "open") }
    defer { close(noInput) }
    let spawner = NodeSpawner(signals: signals, openFiles: openFiles, noInput: noInput)
    for (node, words) in zip(link.welcome.nodes, plan.words) {
      let process = try spawner.startNode(
        node, words: words, environment: environment(of: node, link), output: output)
      let record = NodeProcess(node: node, isHere: true)
      record.process = process
      record.programName = words[0]
      nodes.append(record)
      link.report(.started(node: node, process: process, programName: words[0]))
    }
    dup2(noInput, STDIN_FILENO)
  }

  private func environment(of node: Int, _ link: OutpostLink) -> ProgramEnvironment {
    let welcome = link.welcome
    var assignments = JobEnvironment(
      node: node, nodeCount: welcome.nodeCount, rendezvous: link.address,
      secretFile: plan.secretFile ?? directory.secretPath
    ).assignments
    assignments[JobEnvironment.joinTimeoutName] = "\(Double(welcome.joinTimeoutMilliseconds) / 1000)"
    if !welcome.fabric.isEmpty { assignments[JobEnvironment.fabricName] = welcome.fabric }
    return ProgramEnvironment(setting: assignments)
  }

  private func watchSignals() {
    let arrivals = signals.makeDescriptor()
    loop.watch(arrivals, POLLIN) { [weak self] _ in
      guard let self else { return }
      while let arrival = LauncherSignals.next(from: arrivals) {
        if arrival.number == SIGCHLD { reap() } else { pass(arrival) }
      }
    }
  }

  private func pass(_ arrival: LauncherSignals.Arrival) {
    if !arrival.isFromTerminal { signalNodes(arrival.number) }
    if arrival.number == SIGTSTP { LauncherSignals.stop() }
    // Only the launcher is waited for any more.
    let isDeadly = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].contains(arrival.number)
    if isDeadly, !hasChildren { exitCode = ToolExit.signalled(arrival.number) }
  }

  private func signalNodes(_ number: Int32) {
    for node in nodes where node.status == nil { kill(node.process, number) }
  }

  private func reap() {
    while true {
      switch ProcessTree.reap() {
      case .child(let process, let status):
        guard let node = nodes.first(where: { $0.process == process }) else { continue }
        node.status = status
        link?.report(.ended(node: node.node, status: status.raw))
      case .none: return
      case .noChildren:
        hasChildren = false
        output?.declareWritersGone()
        return
      }
    }
  }

  private func sayWhenGone() {
    guard !hasSaidGone, !hasChildren, isOutputFinished else { return }
    hasSaidGone = true
    link?.report(.gone)
  }

  private func obey(_ order: OutpostOrder) {
    switch order {
    case .signal(let number): signalNodes(number)
    case .end(let sentence):
      // The launcher's own user reads it there.
      if plan.entry == nil, !sentence.isEmpty { say(sentence) }
      end()
    case .over(let code): exitCode = code
    }
  }

  private func lostLauncher() {
    guard exitCode == nil else { return }
    say("the connection to the launcher is lost; the nodes here are being ended.")
    abandon(code: ToolExit.failure)
  }

  private func abandon(code: Int32) {
    exitCode = exitCode ?? code
    isEnding = true
    killRest(round: 0)
  }

  private func end() {
    guard !isEnding else { return }
    isEnding = true
    ProcessTree.signalDescendants(SIGTERM)
    // A stopped process gets it only when it runs again.
    ProcessTree.signalDescendants(SIGCONT)
    loop.after(milliseconds: Launcher.graceMilliseconds) { [weak self] in self?.killRest(round: 0) }
  }

  /// Again and again, since what is killed may just have started something.
  private func killRest(round: Int) {
    guard hasChildren else { return }
    guard round < 250 else {
      say("some of the nodes' processes cannot be ended.")
      hasChildren = false
      output?.declareWritersGone()
      return
    }
    ProcessTree.signalDescendants(SIGKILL)
    loop.after(milliseconds: 20) { [weak self] in self?.killRest(round: round + 1) }
  }
}
