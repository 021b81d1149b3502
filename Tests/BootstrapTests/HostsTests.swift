import CBootstrap
import Glibc
import Testing

@testable import Bootstrap

/// `merino run --hosts`, with a script in the place of ssh: the hosts are all this one.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct HostsTests {
  @Test func nodesAreNumberedInTheOrderOfTheHosts() throws {
    let agent = try LaunchAgentScript("MERINO_HOST_OF_TEST=$host exec sh -c \"$line\"")
    let run = try runOnHosts(
      "a:2,localhost,user@b:1,a", "sh", "-c",
      "echo $MERINO_NODE of $MERINO_NODES ${MERINO_HOST_OF_TEST:-here}; \(Tool.probe) join", agent: agent)
    #expect(run.code == 0, "\(run)")
    let placed = run.lines.filter { $0.contains(" of 5 ") && !$0.hasPrefix("joined") }.sorted()
    #expect(placed == ["0 of 5 a", "1 of 5 a", "2 of 5 here", "3 of 5 user@b", "4 of 5 a"], "\(run)")
    let joined = run.lines.filter { $0.hasPrefix("joined") }.sorted()
    #expect(joined.map { $0.prefix(13) } == (0..<5).map { "joined \($0) of 5" }, "\(run)")
    #expect(Set(joined.map { $0.split(separator: "secret").last ?? "" }).count == 1)
  }

  @Test func localHostsNeedNoAgent() throws {
    let run = try runOnHosts(
      "localhost:2,localhost", Tool.probe, "join", agent: try LaunchAgentScript("exit 9"))
    #expect(run.code == 0 && run.lines.count == 3, "\(run)")
  }

  /// Neither the list of processes nor an environment shows it.
  @Test func theSecretTravelsByStandardInputOnly() throws {
    let agent = try LaunchAgentScript("env >> \"$0.env\"; exec sh -c \"$line\"")
    let run = try runOnHosts(
      "a:1", "sh", "-c", "cat $MERINO_SECRET_FILE; stat -c %a $MERINO_SECRET_FILE", agent: agent)
    #expect(run.code == 0 && run.lines.count == 2 && run.lines[1] == "600", "\(run)")
    #expect(run.lines[0].count == 64 && !agent.logged.contains(run.lines[0]), "\(agent.logged)")
    let environment = contents(of: agent.path + ".env")
    #expect(environment.contains("PATH=") && !environment.contains(run.lines[0]))
  }

  @Test func directoryArgumentsAndVariablesArriveAsTheyAre() throws {
    let scratch = Scratch()
    let odd = "a b'c\"d$HOME`e`\\f\n\tg;h*"
    let directory = scratch.path + "/" + odd
    try #require(mkdir(directory, 0o700) == 0)
    defer { rmdir(directory) }
    let agent = try LaunchAgentScript("cd /; exec env -i PATH=\"$PATH\" sh -c \"$line\"")
    let command = try RunningCommand(
      [
        "sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh", directory, Tool.merino, "run", "--hosts", "a",
        "--launch-agent", agent.path, "--", "sh", "-c",
        "pwd; printf '%s|' \"$MERINO_ODD\" \"$OTHER\" \"$MERINO_NODE\" \"$@\"", "sh", odd, "", "end",
      ],
      environment: ["MERINO_ODD": odd, "OTHER": "stays at home", "MERINO_NODE": "77"])
    let run = command.wait()
    #expect(run.code == 0, "\(run)")
    #expect(run.output == "\(directory)\n\(odd)||0|\(odd)||end|", "\(run)")
  }

  @Test func inputGoesToNodeZero() throws {
    let text = String(repeating: "to whom\n", count: 50_000)
    let run = try runOnHosts("a:2,b:2", "sh", "-c", "cat | wc -c", options: ["--label"], input: text)
    #expect(run.code == 0, "\(run)")
    #expect(run.lines.sorted() == ["[0] \(text.utf8.count)", "[1] 0", "[2] 0", "[3] 0"], "\(run)")
  }

  @Test func labelledLinesStayWhole() throws {
    let run = try runOnHosts(
      "a:1,localhost:1,b:1", "sh", "-c",
      "i=0; while [ $i -lt 300 ]; do echo $MERINO_NODE line $i; i=$((i+1)); done; echo bad >&2",
      options: ["--label"])
    #expect(run.code == 0, "\(run)")
    for node in 0..<3 {
      let mine = run.lines.filter { $0.hasPrefix("[\(node)] ") }
      #expect(mine == (0..<300).map { "[\(node)] \(node) line \($0)" })
    }
    #expect(run.lines.count == 900)
    #expect(run.errors.split(separator: "\n").sorted() == ["[0] bad", "[1] bad", "[2] bad"], "\(run)")
  }

  @Test func hostFabricWorksWhereAllAreOneMachine() throws {
    for words in [["descriptors", "3"], ["barrier", "20"]] {
      let run = try runOnHosts("a:2,localhost:1", Tool.probe, words[0], words[1])
      #expect(run.code == 0 && run.lines.count == 3, "\(run)")
    }
  }

  // MARK: Deaths

  private func expectGone(_ processes: [pid_t], count: Int, sourceLocation: SourceLocation = #_sourceLocation)
  {
    #expect(processes.count == count, sourceLocation: sourceLocation)
    for process in processes {
      #expect(
        eventually(withinSeconds: 2) { !runs(process) }, "process \(process) still runs",
        sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: [
    (
      ["signal", "2", "11"], 139,
      "was ended by SIGSEGV (Segmentation fault); the other nodes are being ended."
    ),
    (["signal", "0", "9"], 137, "was ended by SIGKILL (Killed); the other nodes are being ended."),
    (["exit", "3", "5"], 5, "exited with code 5; the other nodes are being ended."),
    (
      ["exit", "1", "0"], 1,
      "exited with code 0 without having left the job (it did not finalize, or could not)"
    ),
    (["abort", "2", "7"], 7, "ended the job with code 7 (merino_abort)."),
  ])
  func aDeathOnOneHostEndsTheJobEverywhere(words: [String], code: Int32, clause: String) throws {
    let run = try runOnHosts("a:2,b:2", Tool.probe, words[0], words[1], words[2])
    #expect(run.code == code, "\(run)")
    let host = (Int(words[1]) ?? 0) < 2 ? "a" : "b"
    #expect(run.errors.hasPrefix("merino: node \(words[1]) (process "), "\(run)")
    #expect(run.errors.contains(" on \(host), \(Tool.probe)) \(clause)"), "\(run)")
    #expect(run.errors.split(separator: "\n").count == 1, "\(run)")
    #expect(run.milliseconds < 3000, "\(run.milliseconds) ms")
    expectGone(numbers(after: "process", in: run.output), count: words[0] == "abort" ? 0 : 4)
  }

  @Test func exitCodesOfProgramsThatNeverJoin() throws {
    #expect(try runOnHosts("a,b", "true").code == 0)
    let run = try runOnHosts("a,b", "sh", "-c", "exit $((MERINO_NODE * 4))")
    #expect(run.code == 4 && run.errors.contains("on b, sh) exited with code 4"), "\(run)")
    let after = try runOnHosts("a,b", Tool.probe, "exit-after-leave", "1", "5")
    #expect(
      after.code == 5 && after.errors.contains("exited with code 5 after it had left the job."), "\(after)")
  }

  @Test func aProgramThatIsNotThereIsNamed() throws {
    let run = try runOnHosts("a,b", "no-such-program")
    #expect(run.code == 127, "\(run)")
    #expect(run.errors.contains("there is no program \"no-such-program\" in PATH"), "\(run)")
  }

  @Test func anAgentThatFailsIsNamed() throws {
    let run = try runOnHosts(
      "a,b", "sleep", "1000",
      agent: try LaunchAgentScript(
        "if [ $host = b ]; then echo no route >&2; exit 255; fi; exec sh -c \"$line\""))
    #expect(run.code == 1 && run.errors.contains("no route"), "\(run)")
    #expect(run.errors.contains("merino: the launch agent of host b ("), "\(run)")
    #expect(run.errors.contains(") exited with code 255 before its nodes were started"), "\(run)")
  }

  @Test func aHostThatDoesNotComeIsNamed() throws {
    let run = try runOnHosts(
      "a,b", Tool.probe, "join", options: ["--join-timeout", "1"],
      agent: try LaunchAgentScript("if [ $host = b ]; then exec sleep 1000; fi; exec sh -c \"$line\""))
    #expect(run.code == 1, "\(run)")
    // Whichever clock is first: the host's, or that of the node that waits.
    let isNamed = run.errors.contains("host b (") && run.errors.contains("has not joined within 1.0 s")
    #expect(isNamed || run.errors.contains("node 1 of 2 did not join within 1.0 s"), "\(run)")
  }

  /// Jobs with nodes on two "hosts" that never join; every process of theirs, and those of the two agents.
  private func startLongJob(
    _ agent: LaunchAgentScript
  ) throws -> (RunningCommand, nodes: [pid_t], agents: [pid_t]) {
    let command = try RunningCommand([
      Tool.merino, "run", "--hosts", "a:2,b:1", "--launch-agent", agent.path, "--", "sh", "-c",
      "sleep 1000 & echo process $$; echo process $!; wait",
    ])
    #expect(eventually { numbers(after: "process", in: command.outputSoFar).count == 6 })
    return (
      command, numbers(after: "process", in: command.outputSoFar),
      numbers(after: "agent", in: command.outputSoFar)
    )
  }

  private func agentThatNamesItself() throws -> LaunchAgentScript {
    // Not replaced by the line's shell: the agent is a process between the two.
    try LaunchAgentScript("echo agent $$; sh -c \"$line\"; exit $?")
  }

  @Test func aKilledLauncherLeavesNothing() throws {
    let (command, nodes, agents) = try startLongJob(try agentThatNamesItself())
    kill(command.process, SIGKILL)
    #expect(command.wait().code == 128 + SIGKILL)
    expectGone(nodes + agents, count: 8)
    #expect(eventually(withinSeconds: 3) { command.scratch.entries == [] }, "\(command.scratch.entries)")
  }

  /// Both its processes at once: nobody is left here, and the other hosts see the connection end.
  @Test func otherHostsOutliveNoLauncher() throws {
    let (command, nodes, agents) = try startLongJob(try agentThatNamesItself())
    let inner = cbootstrap_parent(agents[0])
    #expect(inner > 1 && inner != command.process)
    kill(inner, SIGSTOP)
    kill(command.process, SIGKILL)
    kill(inner, SIGKILL)
    #expect(command.wait().code == 128 + SIGKILL)
    expectGone(nodes + agents, count: 8)
    // The launcher's own directory is what nobody was left to remove; those of the hosts are gone.
    #expect(eventually(withinSeconds: 3) { command.scratch.entries.count == 1 }, "\(command.scratch.entries)")
    for entry in command.scratch.entries {
      unlink("\(command.scratch.path)/\(entry)/rendezvous")
      rmdir("\(command.scratch.path)/\(entry)")
    }
  }

  @Test func aKilledAgentEndsTheJob() throws {
    let (command, nodes, agents) = try startLongJob(try agentThatNamesItself())
    kill(agents[0], SIGKILL)
    let run = command.wait()
    #expect(run.code == 1, "\(run)")
    #expect(
      run.errors.contains("was ended by SIGKILL (Killed) while its nodes ran; the other nodes"), "\(run)")
    expectGone(nodes + agents, count: 8)
    #expect(command.scratch.entries == [])
  }

  /// What runs on the other host, killed beyond catching.
  @Test func aKilledOutpostEndsTheJob() throws {
    let (command, nodes, agents) = try startLongJob(try agentThatNamesItself())
    kill(cbootstrap_parent(nodes[0]), SIGKILL)
    let run = command.wait()
    #expect(run.code != 0, "\(run)")
    #expect(run.errors.contains("merino on host "), "\(run)")
    expectGone(nodes + agents, count: 8)
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func signalsArePassedOn(signal: Int32) throws {
    let (command, nodes, agents) = try startLongJob(try agentThatNamesItself())
    kill(command.process, signal)
    let run = command.wait()
    #expect(run.code == 128 + signal, "\(run)")
    expectGone(nodes + agents, count: 8)
    #expect(command.scratch.entries == [])
  }

  @Test func timeLimitOfTheJob() throws {
    let run = try runOnHosts(
      "a,b", "sh", "-c", "echo process $$; sleep 1000", options: ["--timeout", "1.5"])
    #expect(run.code == 124, "\(run)")
    expectGone(numbers(after: "process", in: run.output), count: 2)
  }
}
