import CBootstrap
import Glibc
import Testing

/// A node that dies takes the job with it, within a second, and everybody learns who it was.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct DeathTests {
  private func expectGone(_ processes: [pid_t], count: Int, sourceLocation: SourceLocation = #_sourceLocation)
  {
    #expect(processes.count == count, sourceLocation: sourceLocation)
    for process in processes {
      #expect(!runs(process), "process \(process) still runs", sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: [
    (SIGSEGV, "was ended by SIGSEGV (Segmentation fault)"), (SIGKILL, "was ended by SIGKILL (Killed)"),
    (SIGABRT, "was ended by SIGABRT (Aborted)"),
  ])
  func deathBySignal(signal: Int32, clause: String) throws {
    let run = try merinoRun("-n", "4", "--", Tool.probe, "signal", "2", "\(signal)")
    #expect(run.code == 128 + signal, "\(run)")
    #expect(run.errors.hasPrefix("merino: node 2 (process "), "\(run)")
    #expect(run.errors.contains(clause) && run.errors.contains("the other nodes are being ended."), "\(run)")
    #expect(run.errors.split(separator: "\n").count == 1, "\(run)")
    #expect(run.milliseconds < 1000, "\(run.milliseconds) ms")
    expectGone(numbers(after: "process", in: run.output), count: 4)
  }

  @Test func exitCodeOfTheFirstIsTheJobs() throws {
    let run = try merinoRun("-n", "3", "--", Tool.probe, "exit", "1", "5")
    #expect(run.code == 5)
    #expect(run.errors.contains("node 1 (process ") && run.errors.contains(") exited with code 5;"), "\(run)")
    #expect(run.milliseconds < 1000, "\(run.milliseconds) ms")
    expectGone(numbers(after: "process", in: run.output), count: 3)
  }

  @Test func exitWithoutLeavingIsADeath() throws {
    let run = try merinoRun("-n", "3", "--", Tool.probe, "exit", "0", "0")
    #expect(run.code == 1)
    #expect(run.errors.contains("node 0 (process "), "\(run)")
    #expect(
      run.errors.contains(
        "exited with code 0 without having left the job (it did not finalize, or could not)"), "\(run)")
    expectGone(numbers(after: "process", in: run.output), count: 3)
  }

  /// The node's first process is a shell, which lives on when the one that joined has died.
  @Test func deathOfADescendantThatJoinedIsNoticed() throws {
    let run = try merinoRun(
      "-n", "2", "--", "sh", "-c", "\(Tool.probe) signal 1 9 & wait; sleep 1000")
    #expect(run.code == 1, "\(run)")
    #expect(run.errors.contains("node 1 (process "), "\(run)")
    #expect(run.errors.contains("closed its connection without having left the job"), "\(run)")
    #expect(run.milliseconds < 1000, "\(run.milliseconds) ms")
    expectGone(numbers(after: "process", in: run.output), count: 2)
  }

  /// Seen on a host that is slow: a node that was killed counted as one that fails with 1.
  @Test func aDeathThatIsExplainedLateGivesTheExitCode() throws {
    let run = try merinoRun("-n", "2", "--", Tool.probe, "die-slowly", "1", "7")
    #expect(run.code == 7, "\(run)")
    #expect(run.errors.contains("closed its connection without having left the job"), "\(run)")
    expectGone(numbers(after: "process", in: run.output), count: 2)
  }

  @Test func exitAfterLeavingIsNoDeath() throws {
    let run = try merinoRun("-n", "3", "--", Tool.probe, "exit-after-leave", "1", "5")
    #expect(run.code == 5)
    #expect(run.lines == ["went on", "went on"], "\(run)")
    #expect(run.errors.contains("exited with code 5 after it had left the job."), "\(run)")
  }

  @Test func abortEndsTheJobWithItsCode() throws {
    let run = try merinoRun("-n", "3", "--", Tool.probe, "abort", "1", "7")
    #expect(run.code == 7)
    #expect(
      run.errors.contains("node 1 (process ") && run.errors.contains("ended the job with code 7"), "\(run)")
    #expect(run.milliseconds < 1000, "\(run.milliseconds) ms")
  }

  /// The wish and the exit arrive together: the wish counts, each time.
  @Test func abortCountsBeforeTheExitThatFollows() throws {
    for _ in 0..<10 {
      let run = try merinoRun("-n", "2", "--", Tool.probe, "abort-and-exit", "1", "0")
      #expect(run.code == 0 && run.errors.contains("ended the job with code 0 (merino_abort)"), "\(run)")
    }
  }

  @Test func whoIgnoresSIGTERMIsKilledWithinASecond() throws {
    let run = try merinoRun(
      "-n", "2", "--", "sh", "-c",
      "trap '' TERM; echo process $$; if [ $MERINO_NODE = 1 ]; then exit 3; fi; sleep 1000; sleep 1000")
    #expect(run.code == 3)
    #expect(run.milliseconds < 1000, "\(run.milliseconds) ms")
    expectGone(numbers(after: "process", in: run.output), count: 2)
  }

  /// A stopped process gets SIGTERM only when it runs again: the launcher sees to that.
  @Test func whoIsStoppedIsEndedInGoodOrder() throws {
    let run = try merinoRun(
      "-n", "2", "--", "sh", "-c",
      "echo process $$; if [ $MERINO_NODE = 1 ]; then sleep 0.1; exit 3; fi; "
        + "trap 'echo in good order; exit' TERM; kill -STOP $$; sleep 1000")
    #expect(run.code == 3, "\(run)")
    #expect(run.output.contains("in good order"), "\(run)")
    expectGone(numbers(after: "process", in: run.output), count: 2)
  }

  @Test func whatNodesLeaveInTheBackgroundIsEnded() throws {
    let run = try merinoRun(
      "-n", "2", "--", "sh", "-c", "sleep 1000 & echo process $!; (sleep 1000 & echo process $!)")
    #expect(run.code == 0, "\(run)")
    expectGone(numbers(after: "process", in: run.output), count: 4)
  }

  @Test func timeLimitOfTheJob() throws {
    let run = try merinoRun("-n", "2", "--timeout", "0.2", "--", "sh", "-c", "echo process $$; sleep 1000")
    #expect(run.code == 124)
    #expect(run.errors.contains("merino: the job did not end within 0.2 s (--timeout); it is being ended."))
    expectGone(numbers(after: "process", in: run.output), count: 2)
  }

  // MARK: The launcher itself dies

  /// A job of two nodes that never join, with descendants; the processes of the launcher and of the nodes.
  private func startLongJob() throws -> (RunningCommand, inner: pid_t, rest: [pid_t]) {
    let command = try RunningCommand([
      Tool.merino, "run", "-n", "2", "--", "sh", "-c",
      "sleep 1000 & echo launcher $PPID; echo process $$; echo process $!; wait",
    ])
    #expect(eventually { numbers(after: "process", in: command.outputSoFar).count == 4 })
    let inner = try #require(numbers(after: "launcher", in: command.outputSoFar).first)
    return (command, inner, numbers(after: "process", in: command.outputSoFar))
  }

  @Test func killedLauncherLeavesNothing() throws {
    let (command, inner, rest) = try startLongJob()
    #expect(inner != command.process && runs(inner) && rest.allSatisfy(runs))
    kill(command.process, SIGKILL)
    #expect(command.wait().code == 128 + SIGKILL)
    #expect(eventually(withinSeconds: 2) { !(rest + [inner]).contains(where: runs) })
    #expect(eventually(withinSeconds: 2) { command.scratch.entries == [] })
  }

  @Test func killedInnerLauncherLeavesNothing() throws {
    let (command, inner, rest) = try startLongJob()
    kill(inner, SIGKILL)
    let run = command.wait()
    #expect(run.code == 128 + SIGKILL)
    #expect(run.errors.contains("the launcher's own process was ended by SIGKILL"), "\(run)")
    #expect(!(rest + [inner]).contains(where: runs))
    #expect(command.scratch.entries == [])
  }

  /// Both at once (pkill -9 merino): the nodes themselves go, by their parent-death signal.
  @Test func nodesDieWithBothProcessesOfTheLauncher() throws {
    let command = try RunningCommand([
      Tool.merino, "run", "-n", "2", "--", Tool.probe, "signal", "-1", "0",
    ])
    #expect(eventually { numbers(after: "process", in: command.outputSoFar).count == 2 })
    let nodes = numbers(after: "process", in: command.outputSoFar)
    let inner = cbootstrap_parent(nodes[0])
    #expect(inner > 1 && inner != command.process)
    // Stopped first, so that neither can clean up after the other.
    kill(inner, SIGSTOP)
    kill(command.process, SIGKILL)
    kill(inner, SIGKILL)
    #expect(command.wait().code == 128 + SIGKILL)
    #expect(eventually(withinSeconds: 2) { !nodes.contains(where: runs) })
    // The directory is what nobody was left to remove.
    for entry in command.scratch.entries {
      unlink("\(command.scratch.path)/\(entry)/rendezvous")
      rmdir("\(command.scratch.path)/\(entry)")
    }
    #expect(command.scratch.entries == [])
  }
}
