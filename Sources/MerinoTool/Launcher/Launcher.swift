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

  let plan: JobPlan
  let directory: RendezvousDirectory
  let signals: LauncherSignals
  let loop = EventLoop()
  private(set) var output: LabelledOutput?
  private(set) var server: RendezvousServer?
  var nodes: [NodeProcess] = []

  /// The first exit code that is not 0.
  var exitCode: Int32 = 0
  var isEnding = false
  var hasChildren = true
  /// Signals that were passed on: who dies of one did so because somebody wanted it.
  var passedOn: Set<Int32> = []

  private init(_ plan: JobPlan, _ signals: LauncherSignals, _ directory: RendezvousDirectory) {
    self.plan = plan
    self.signals = signals
    self.directory = directory
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

  private var isFinished: Bool { !hasChildren && (output?.isFinished ?? true) }

  private func serve(lifeline: Int32) throws {
    let openFiles = DescriptorLimit.current()
    let descriptorsPerNode = plan.labelsOutput ? 6 : 4
    try DescriptorLimit.makeRoom(
      for: plan.nodeCount * descriptorsPerNode, purpose: "a job of \(plan.nodeCount) nodes")
    DescriptorLimit.raiseToHardLimit()
    watchSignals()
    loop.watch(lifeline, POLLIN) { [unowned self] _ in
      loop.unwatch(lifeline)
      // Killed beyond catching: so are the nodes.
      end(code: ToolExit.signalled(SIGKILL), killAtOnce: true)
    }
    server = try RendezvousServer(
      loop: loop, path: directory.socketPath, nodeCount: plan.nodeCount,
      joinTimeoutMilliseconds: plan.joinTimeoutMilliseconds
    ) { [unowned self] report in serve(report) }
    if plan.labelsOutput { output = LabelledOutput(nodeCount: plan.nodeCount, loop: loop) }
    do {
      try startNodes(openFiles: openFiles)
    } catch let failure as NodeSpawner.Failure {
      complain("merino: \(failure.sentence)")
      end(code: failure.exitCode)
    }
    if let limit = plan.timeoutMilliseconds {
      loop.after(milliseconds: limit) { [unowned self] in timedOut(limit) }
    }
    reap()
  }

  private func startNodes(openFiles: rlimit) throws {
    let noInput = open("/dev/null", O_RDONLY | O_CLOEXEC)
    guard noInput >= 0 else { throw SystemError(attempt: "open /dev/null", call: "open") }
    defer { close(noInput) }
    let spawner = NodeSpawner(signals: signals, openFiles: openFiles, noInput: noInput)
    for (node, words) in plan.wordsOfNodes.enumerated() {
      nodes.append(try start(node, words, spawner))
    }
    // Node 0 alone reads it: when it closes it, the writer at the other end is to notice.
    dup2(noInput, STDIN_FILENO)
  }

  private func start(_ node: Int, _ words: [String], _ spawner: NodeSpawner) throws -> NodeProcess {
    var assignments = JobEnvironment(
      node: node, nodeCount: plan.nodeCount, rendezvous: directory.socketPath
    ).assignments
    assignments[JobEnvironment.joinTimeoutName] = "\(Double(plan.joinTimeoutMilliseconds) / 1000)"
    if let fabric = plan.fabric { assignments[JobEnvironment.fabricName] = fabric }
    let environment = ProgramEnvironment(setting: assignments)
    guard let output else {
      return try spawner.start(node: node, words: words, environment: environment, output: (-1, -1))
    }
    let (out, error) = (try Pipe.make(), try Pipe.make())
    defer {
      close(out.writing)
      close(error.writing)
    }
    output.add(node: node, output: out.reading, error: error.reading)
    return try spawner.start(
      node: node, words: words, environment: environment, output: (out.writing, error.writing))
  }

  private func watchSignals() {
    let arrivals = signals.makeDescriptor()
    loop.watch(arrivals, POLLIN) { [unowned self] _ in
      while let arrival = LauncherSignals.next(from: arrivals) {
        if arrival.number == SIGCHLD { reap() } else { pass(arrival) }
      }
    }
  }

  private func pass(_ arrival: LauncherSignals.Arrival) {
    passedOn.insert(arrival.number)
    if !arrival.isFromTerminal {
      // Not reaped yet, so the ids are theirs.
      for node in nodes where node.status == nil { kill(node.process, arrival.number) }
    }
    if arrival.number == SIGTSTP { LauncherSignals.stop() }
  }

  func declareOutputComplete() { output?.declareWritersGone() }
}
