import Bootstrap
import CBootstrap
import Glibc
import Platform

/// Starts the nodes, serves their rendezvous and looks after them until nothing of the job is left.
/// One thread, one poll(2) loop.
final class Launcher {
  /// Nodes have this long between SIGTERM and SIGKILL.
  static let graceMilliseconds = 400
  /// A node whose connection ended has this long to end, so that its exit status says how it died.
  static let statusPatienceMilliseconds = 200
  /// On another host its outpost has this long to say so.
  static let remotePatienceMilliseconds = 1000

  let plan: JobPlan
  let directory: RendezvousDirectory
  let signals: LauncherSignals
  let loop = EventLoop()
  private(set) var output: LabelledOutput?
  private(set) var server: RendezvousServer?
  /// All of the job's, wherever they run.
  let nodes: [NodeProcess]
  var outposts: [OutpostState] = []
  var agents: [LaunchAgent] = []
  /// Entries of `--hosts` whose outposts have come.
  var entriesSeen: Set<Int> = []
  /// Standard input goes to a launch agent piece by piece.
  var relaysInput = false

  /// The first exit code that is not 0.
  var exitCode: Int32 = 0
  var isEnding = false
  /// What is left is being killed.
  var isKilling = false
  /// The lost node, where the job is ending for its sake and it is not known yet how its process ended.
  var unexplained: NodeProcess?
  /// Why it is ending, for those who are elsewhere.
  var lastSentence = ""
  var hasChildren = true
  /// Signals that were passed on: who dies of one did so because somebody wanted it.
  var passedOn: Set<Int32> = []

  private init(_ plan: JobPlan, _ signals: LauncherSignals, _ directory: RendezvousDirectory) {
    self.plan = plan
    self.signals = signals
    self.directory = directory
    let here = Set(plan.localNodes.map(\.node))
    nodes = (0..<plan.nodeCount).map { NodeProcess(node: $0, isHere: here.contains($0)) }
  }

  /// The job's exit code. `lifeline` ends when the guardian does.
  static func run(
    _ plan: JobPlan, _ signals: LauncherSignals, _ directory: RendezvousDirectory, lifeline: Int32
  ) -> Int32 {
    defer { directory.remove() }
    do {
      let launcher = Launcher(plan, signals, directory)
      guard cbootstrap_become_subreaper() == 0 else {
        throw SystemError(attempt: "adopt what the nodes leave behind", call: "prctl")
      }
      try launcher.serve(lifeline: lifeline)
      launcher.loop.run { !launcher.isFinished }
      return launcher.exitCode
    } catch {
      complain("merino: \(error)")
      _ = ProcessTree.killAll(withinMilliseconds: 5000)
      return ToolExit.failure
    }
  }

  private var isFinished: Bool {
    // Without a child of its own a job that others join is over when it is said to be.
    !hasChildren && outposts.isEmpty && (plan.remote == nil || isEnding) && (output?.isFinished ?? true)
  }

  private func serve(lifeline: Int32) throws {
    let openFiles = DescriptorLimit.current()
    let descriptorsPerNode = plan.labelsOutput ? 6 : 4
    let strangers = plan.remote == nil ? 0 : TCPEntrance.guestLimit(nodeCount: plan.nodeCount)
    try DescriptorLimit.makeRoom(
      for: plan.nodeCount * descriptorsPerNode + strangers, purpose: "a job of \(plan.nodeCount) nodes")
    DescriptorLimit.raiseToHardLimit()
    watchSignals()
    loop.watch(lifeline, POLLIN) { [weak self] _ in
      guard let self else { return }
      loop.unwatch(lifeline)
      // Killed beyond catching: so are the nodes.
      end(code: ToolExit.signalled(SIGKILL), killAtOnce: true)
    }
    server = try RendezvousServer(
      loop: loop, path: directory.socketPath, nodeCount: plan.nodeCount,
      joinTimeoutMilliseconds: plan.joinTimeoutMilliseconds
    ) { [weak self] report in self?.serve(report) }
    server?.reserveForLauncher(plan.localNodes.map(\.node))
    if plan.labelsOutput || !(plan.remote?.hosts.isEmpty ?? true) {
      output = LabelledOutput(nodeCount: plan.nodeCount, loop: loop)
    }
    do {
      try startNodes(openFiles: openFiles)
    } catch let failure as NodeSpawner.Failure {
      complain("merino: \(failure.sentence)")
      end(code: failure.exitCode)
    }
    if let limit = plan.timeoutMilliseconds {
      loop.after(milliseconds: limit) { [weak self] in self?.timedOut(limit) }
    }
    reap()
  }

  private func startNodes(openFiles: rlimit) throws {
    let noInput = open("/dev/null", O_RDONLY | O_CLOEXEC)
    guard noInput >= 0 else { throw SystemError(attempt: "open /dev/null", call: "open") }
    defer { close(noInput) }
    let spawner = NodeSpawner(signals: signals, openFiles: openFiles, noInput: noInput)
    if let remote = plan.remote { try openToOthers(remote, spawner) }
    for local in plan.localNodes {
      nodes[local.node].process = try start(local, spawner)
      nodes[local.node].programName = local.words[0]
    }
    // Whoever has it now has it alone: when that closes it, the writer at the other end is to notice.
    if !relaysInput { dup2(noInput, STDIN_FILENO) }
  }

  private func start(_ local: JobPlan.LocalNode, _ spawner: NodeSpawner) throws -> pid_t {
    var assignments = JobEnvironment(
      node: local.node, nodeCount: plan.nodeCount, rendezvous: directory.socketPath
    ).assignments
    assignments[JobEnvironment.joinTimeoutName] = "\(Double(plan.joinTimeoutMilliseconds) / 1000)"
    if let fabric = plan.fabric { assignments[JobEnvironment.fabricName] = fabric }
    let environment = ProgramEnvironment(setting: assignments)
    return try spawner.startNode(
      local.node, words: local.words, environment: environment, output: plan.labelsOutput ? output : nil)
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
    passedOn.insert(arrival.number)
    if !arrival.isFromTerminal {
      // Not reaped yet, so the ids are theirs.
      for node in nodes where node.isHere && node.process > 0 && node.status == nil {
        kill(node.process, arrival.number)
      }
    }
    passElsewhere(arrival.number)
    if arrival.number == SIGTSTP { LauncherSignals.stop() }
  }

  func declareOutputComplete() { output?.declareWritersGone() }
}
