import Glibc
import Testing

@testable import Bootstrap

/// `merino run --listen`, `merino run --join`, and programs that join by themselves.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct ListenJoinTests {
  @Test(arguments: ["127.0.0.1", "[::1]"])
  func nodesOfThreeKindsAreOneJob(host: String) throws {
    let job = try ListeningJob(
      5, host: host, options: ["--local-nodes", "2"], program: ["--", Tool.probe, "join"])
    let joined = try job.join(2, Tool.probe, "join")
    let byHand = try job.joinByHand(Tool.probe, "join")
    let runs = [job.command, joined, byHand].map { $0.wait() }
    #expect(runs.allSatisfy { $0.code == 0 }, "\(runs)")
    let lines = runs.flatMap(\.lines).sorted()
    #expect(lines.map { $0.prefix(13) } == (0..<5).map { "joined \($0) of 5" }, "\(runs)")
    #expect(Set(lines.map { $0.split(separator: "secret").last ?? "" }).count == 1)
    #expect(runs[0].lines.sorted().map { $0.prefix(8) } == ["joined 0", "joined 1"], "\(runs)")
    #expect(job.command.scratch.entries == ["secret"])
  }

  @Test func aLauncherWithoutNodesOfItsOwn() throws {
    let job = try ListeningJob(3)
    let (one, other) = (
      try job.join(1, Tool.probe, "barrier", "5"), try job.join(2, Tool.probe, "barrier", "5")
    )
    for command in [one, other, job.command] { #expect(command.wait().code == 0) }
  }

  @Test func deathsAndCodesReachEveryHost() throws {
    let job = try ListeningJob(3, program: ["--", Tool.probe, "signal", "2", "9"])
    let joined = try job.join(2, Tool.probe, "signal", "2", "9")
    let (here, there) = (job.command.wait(), joined.wait())
    #expect(here.code == 137 && there.code == 137, "\(here) \(there)")
    for run in [here, there] {
      #expect(run.errors.contains("merino: node 2 (process "), "\(run)")
      #expect(
        run.errors.contains("was ended by SIGKILL (Killed); the other nodes are being ended."), "\(run)")
    }
  }

  @Test func deathOfANodeThatNobodyStarted() throws {
    let job = try ListeningJob(2, program: ["--", Tool.probe, "signal", "1", "9"])
    let byHand = try job.joinByHand(Tool.probe, "signal", "1", "9")
    #expect(byHand.wait().code == 137)
    let run = job.command.wait()
    #expect(run.code == 1, "\(run)")
    #expect(run.errors.contains("node 1 (process \(byHand.process) on "), "\(run)")
    #expect(run.errors.contains("closed its connection without having left the job"), "\(run)")
  }

  @Test func wrongSecretIsSaid() throws {
    let job = try ListeningJob(1, options: ["--timeout", "3"])
    let scratch = Scratch()
    #expect(try SecretFile.create(scratch.path + "/other", try SecretFile.make()))
    let run = try RunningCommand([
      Tool.merino, "run", "--join", job.address, "--secret-file", scratch.path + "/other", "-n", "1", "--",
      "true",
    ]).wait()
    #expect(run.code == 1 && run.errors.contains("the secrets differ"), "\(run)")
    #expect(try job.join(1, "true").wait().code == 0)
    #expect(job.command.wait().code == 0)
  }

  @Test func moreNodesThanThereIsRoomForAreRefused() throws {
    let job = try ListeningJob(3, program: ["--", Tool.probe, "join"])
    let greedy = try job.join(3, Tool.probe, "join").wait()
    #expect(
      greedy.code == 1 && greedy.errors.contains("of the job's 3 only 2 are not taken yet"), "\(greedy)")
    let good = try job.join(2, Tool.probe, "join")
    #expect(good.wait().code == 0 && job.command.wait().code == 0)
  }

  @Test func whoIsMissingIsNamed() throws {
    let job = try ListeningJob(3, options: ["--join-timeout", "0.5"], program: ["--", Tool.probe, "join"])
    let joined = try job.join(1, Tool.probe, "join")
    for run in [job.command.wait(), joined.wait()] {
      #expect(run.code != 0 && run.errors.contains("node 2 of 3 did not join within 0.5 s"), "\(run)")
    }
  }

  @Test func aKilledLauncherEndsWhatOthersStarted() throws {
    let job = try ListeningJob(2)
    let joined = try job.join(2, "sh", "-c", "echo process $$; sleep 1000")
    #expect(eventually { numbers(after: "process", in: joined.outputSoFar).count == 2 })
    kill(job.command.process, SIGKILL)
    let run = joined.wait()
    #expect(run.code == 1 && run.errors.contains("the connection to the launcher is lost"), "\(run)")
    for process in numbers(after: "process", in: run.output) { #expect(!runs(process)) }
    _ = job.command.wait()
    #expect(eventually { job.command.scratch.entries == ["secret"] })
  }

  @Test func signalsReachWhatOthersStarted() throws {
    let job = try ListeningJob(2)
    let joined = try job.join(
      2, "sh", "-c", "trap 'echo int; exit 0' INT; echo ready; while :; do sleep 0.02; done")
    #expect(eventually { joined.outputSoFar == "ready\nready\n" })
    kill(job.command.process, SIGINT)
    #expect(job.command.wait().code == 0)
    #expect(joined.wait().output == "ready\nready\nint\nint\n")
  }

  @Test func aLauncherThatWaitsIsEndedByASignal() throws {
    let job = try ListeningJob(2)
    kill(job.command.process, SIGINT)
    let run = job.command.wait()
    #expect(
      run.code == 130 && run.errors.contains("merino run was sent SIGINT; the job is being ended."), "\(run)")
  }

  @Test(arguments: [
    (["--hosts", "a:x", "--", "true"], "the entry \"a:x\" of --hosts wants \"x\" nodes"),
    (["--hosts", "a:0", "--", "true"], "wants \"0\" nodes"),
    (["--hosts", "a,,b", "--", "true"], "--hosts has an empty entry"),
    (["--hosts", "::1:2", "--", "true"], "an IPv6 address is written in brackets"),
    (["--hosts", "[::1]x", "--", "true"], "behind the bracket"),
    (["--hosts=-oProxyCommand=x", "--", "true"], "does not begin with the name of a host"),
    (["--hosts", "a:1000,b:25", "--", "true"], "together have 1025 nodes"),
    (["--hosts", "a"], "there is no program to run"),
    (["--hosts", "a", "-n", "2", "--", "true"], "leave out -n"),
    (["--hosts", "a", "--", "true", ":", "-n", "1", "true"], "--hosts runs one program on all its nodes"),
    (["--hosts", "a", "--launch-agent", " ", "--", "true"], "--launch-agent is empty"),
    (["--hosts", "a", "--listen-address", "a b", "--", "true"], "--listen-address is \"a b\""),
    (
      ["--hosts", "a", "--secret-file", "x", "--", "true"], "--secret-file goes with --listen or --join only."
    ),
    (["--hosts", "a", "--listen", "7000", "--", "true"], "--hosts and --listen exclude each other"),
    (["--hosts", "a", "--join", "b:7000", "--", "true"], "--hosts and --join exclude each other"),
    (["--listen", "7000", "--join", "b:7000", "-n", "1"], "--listen and --join exclude each other"),
    (["--listen", "7000", "-n", "2"], "--listen needs --secret-file FILE"),
    (["--listen", "70000", "-n", "2", "--secret-file", "/x"], "--listen is \"70000\"; it must be PORT"),
    (["--listen", "7000", "-n", "0", "--secret-file", "/x"], "-n is \"0\""),
    (
      ["--listen", "0", "-n", "2", "--secret-file", "/nonexistent/x"],
      "could not make the secret file /nonexistent/x"
    ),
    (["--listen", "0", "-n", "2", "--secret-file", "/etc/passwd"], "may be read or changed by others"),
    (["--listen", "0", "-n", "2", "--local-nodes", "1", "--secret-file", "/x"], "and there is no program"),
    (
      ["--listen", "0", "-n", "2", "--local-nodes", "3", "--secret-file", "/x", "--", "true"],
      "--local-nodes is \"3\""
    ),
    (
      ["--join", "b", "-n", "1", "--secret-file", "/x", "--", "true"], "--join is \"b\"; it must be HOST:PORT"
    ),
    (["--join", "b:7", "-n", "1", "--", "true"], "--join needs --secret-file FILE"),
    (["--join", "b:7", "-n", "1", "--secret-file", "/nonexistent", "--", "true"], "there is no secret file"),
    (
      ["--join", "b:7", "-n", "1", "--secret-file", "/x", "--timeout", "3", "--", "true"],
      "are the launcher's"
    ),
    (["-n", "1", "--launch-agent", "ssh", "--", "true"], "--launch-agent goes with --hosts only."),
    (["-n", "1", "--listen-address", "x", "--", "true"], "--listen-address goes with --hosts only."),
    (["-n", "1", "--remote-merino", "x", "--", "true"], "--remote-merino goes with --hosts only."),
    (["-n", "1", "--local-nodes", "1", "--", "true"], "--local-nodes goes with --listen only."),
    (["--", "true"], "say how many nodes there are: -n N (--nodes N), or name hosts with --hosts."),
  ])
  func mistakesAreSaid(words: [String], sentence: String) throws {
    let run = try RunningCommand([Tool.merino, "run"] + words).wait()
    #expect(run.code == 2 && run.errors.contains(sentence) && run.output == "", "\(run)")
  }

  @Test func whatCannotBeReachedIsSaid() throws {
    let scratch = Scratch()
    #expect(try SecretFile.create(scratch.path + "/secret", try SecretFile.make()))
    func join(_ address: String) throws -> Finished {
      try RunningCommand([
        Tool.merino, "run", "--join", address, "--secret-file", scratch.path + "/secret", "-n", "1", "--",
        "true",
      ]).wait()
    }
    let refused = try join("127.0.0.1:1")
    #expect(refused.code == 1 && refused.errors.contains("at 127.0.0.1:1: Connection refused."), "\(refused)")
    let several = try join("127.0.0.1:1,[::1]:1")
    #expect(several.errors.contains("(Tried in turn: 127.0.0.1:1, [::1]:1.)"), "\(several)")
    let taken = try ListeningJob(1, options: ["--timeout", "5"])
    let second = try RunningCommand([
      Tool.merino, "run", "--listen", taken.address, "-n", "1", "--secret-file", taken.secretFile,
    ]).wait()
    #expect(second.code == 1 && second.errors.contains("Address already in use"), "\(second)")
    kill(taken.command.process, SIGTERM)
    _ = taken.command.wait()
  }
}
