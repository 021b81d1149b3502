import Bootstrap
import CBootstrap
import Glibc
import Platform

/// The process that the user started and sees. The launcher proper is its child, so that each can
/// clean up after the other: whichever of them is killed, the nodes end, what they started ends, and
/// the rendezvous directory goes.
///
/// The guardian passes signals on and waits. The launcher notices the guardian's end by a pipe
/// (the lifeline) of which the guardian holds the only writing end.
enum Guardian {
  /// The job's exit code.
  static func run(_ plan: JobPlan) -> Int32 {
    run { Launcher.run(plan, $0, $1, lifeline: $2) }
  }

  /// What the guardian's child does: it gets the signals, the job's directory and the lifeline.
  typealias Child = (LauncherSignals, RendezvousDirectory, Int32) -> Int32

  static func run(_ child: Child) -> Int32 {
    do {
      let signals = LauncherSignals()
      guard cbootstrap_become_subreaper() == 0 else {
        throw SystemError(attempt: "adopt what the nodes leave behind", call: "prctl")
      }
      let directory = try RendezvousDirectory.create()
      defer { directory.remove() }
      let lifeline = try Pipe.make()
      let launcher = cbootstrap_fork()
      if launcher == 0 {
        close(lifeline.writing)
        exit(child(signals, directory, lifeline.reading))
      }
      close(lifeline.reading)
      guard launcher > 0 else { throw SystemError(attempt: "start the launcher", call: "fork") }
      return watch(launcher, signals)
    } catch {
      complain("merino: \(error)")
      return ToolExit.failure
    }
  }

  private static func watch(_ launcher: pid_t, _ signals: LauncherSignals) -> Int32 {
    let arrivals = signals.makeDescriptor()
    let loop = EventLoop()
    var result: ExitStatus?
    loop.watch(arrivals, POLLIN) { _ in
      while let arrival = LauncherSignals.next(from: arrivals) {
        if arrival.number == SIGCHLD {
          result = reap(launcher) ?? result
        } else if result == nil {
          pass(arrival, to: launcher)
        }
      }
    }
    loop.run { result == nil }
    guard let result else { return ToolExit.failure }
    guard result.signal != nil else { return result.code }
    return cleanUp(after: result)
  }

  private static func reap(_ launcher: pid_t) -> ExitStatus? {
    while case .child(let process, let status) = ProcessTree.reap() {
      if process == launcher { return status }
    }
    return nil
  }

  private static func pass(_ arrival: LauncherSignals.Arrival, to launcher: pid_t) {
    if !arrival.isFromTerminal { kill(launcher, arrival.number) }
    // Whoever waits for this process (a shell) is to see it stop, as the nodes do.
    if arrival.number == SIGTSTP { LauncherSignals.stop() }
  }

  private static func cleanUp(after status: ExitStatus) -> Int32 {
    let isClean = ProcessTree.killAll(withinMilliseconds: 5000)
    let rest = isClean ? "all nodes were ended" : "some of the nodes' processes cannot be ended"
    complain("merino: the launcher's own process \(status.clause); \(rest).")
    return status.code
  }
}

/// pipe(2), close-on-exec.
struct Pipe {
  let reading: Int32
  let writing: Int32

  static func make() throws(SystemError) -> Pipe {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw SystemError(attempt: "make a pipe", call: "pipe") }
    // Nothing is started in between: the launcher has one thread.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return Pipe(reading: ends[0], writing: ends[1])
  }
}
