import Glibc
import Testing

/// Nodes are real processes, started by the real launcher.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct JoiningTests {
  @Test(arguments: [1, 2, 8])
  func everyNodeJoinsAndKnowsTheSameSecret(nodeCount: Int) throws {
    let run = try merinoRun("-n", "\(nodeCount)", "--", Tool.probe, "join")
    #expect(run.code == 0, "\(run)")
    let joined = run.lines.sorted()
    #expect(joined.count == nodeCount)
    for (node, line) in joined.enumerated() {
      #expect(line.hasPrefix("joined \(node) of \(nodeCount) secret"))
    }
    #expect(Set(joined.map { $0.split(separator: "secret")[1] }).count == 1)
  }

  @Test func programWithoutLauncherIsAJobOfOne() throws {
    let command = try RunningCommand([Tool.probe, "join"])
    let run = command.wait()
    #expect(run.code == 0 && run.output.hasPrefix("joined 0 of 1 "), "\(run)")
    #expect(command.scratch.entries == [])
  }

  @Test(arguments: [(1, 5_000_000), (2, 4_000_000), (8, 1_000_000), (8, 100)])
  func exchangeBringsEveryNodesBytes(nodeCount: Int, byteCount: Int) throws {
    let run = try merinoRun("-n", "\(nodeCount)", "--", Tool.probe, "exchange", "\(byteCount)", "3")
    #expect(run.code == 0, "\(run)")
    #expect(run.lines == Array(repeating: "exchanged 3", count: nodeCount))
  }

  /// 2 × 100 and 2 × 200 do not fit one message of the kernel's.
  @Test(arguments: [(1, 3), (2, 1), (8, 2), (2, 100), (2, 200), (64, 2)])
  func descriptorsOfEveryNodeArrive(nodeCount: Int, count: Int) throws {
    let run = try merinoRun("-n", "\(nodeCount)", "--", Tool.probe, "descriptors", "\(count)")
    #expect(run.code == 0, "\(run)")
    #expect(run.lines == Array(repeating: "descriptors \(nodeCount * count)", count: nodeCount))
  }

  @Test func softLimitOfOpenFilesIsRaisedWhereItHasToBe() throws {
    let run = try merinoRun("-n", "2", "--", "sh", "-c", "ulimit -S -n 60; exec \(Tool.probe) descriptors 40")
    #expect(run.code == 0, "\(run)")
  }

  @Test func softLimitOfTheLauncherIsRaisedToo() throws {
    let run = try RunningCommand([
      "sh", "-c", "ulimit -S -n 60; exec \(Tool.merino) run -n 2 -- \(Tool.probe) descriptors 40",
    ]).wait()
    #expect(run.code == 0, "\(run)")
  }

  /// The nodes have room for all, the launcher between them has not: node 0 takes it away.
  @Test func limitOfTheLauncherIsNamed() throws {
    let run = try merinoRun(
      "-n", "2", "--", "sh", "-c",
      "[ $MERINO_NODE = 1 ] || prlimit --pid $PPID --nofile=60:; exec \(Tool.probe) descriptors 40")
    #expect(run.code != 0, "\(run)")
    #expect(run.errors.contains("was cut off by the launcher: descriptors that nodes exchange"), "\(run)")
    #expect(run.errors.contains("may not have more than 60 files open (RLIMIT_NOFILE)"), "\(run)")
  }

  @Test func hardLimitOfOpenFilesIsNamed() throws {
    let run = try merinoRun("-n", "2", "--", "sh", "-c", "ulimit -n 60; exec \(Tool.probe) descriptors 40")
    #expect(run.code == 9, "\(run)")
    #expect(run.output.contains("error limitExceeded:") && run.output.contains("RLIMIT_NOFILE"), "\(run)")
  }

  @Test(arguments: [2, 8])
  func barrierHoldsUntilEverybodyIsThere(nodeCount: Int) throws {
    let run = try merinoRun("-n", "\(nodeCount)", "--", Tool.probe, "barrier", "50")
    #expect(run.code == 0, "\(run)")
    #expect(run.lines == Array(repeating: "barriers 50", count: nodeCount))
  }

  @Test func differentCallsAreAnError() throws {
    let run = try merinoRun("-n", "2", "--", Tool.probe, "mismatch")
    #expect(run.code == 9)
    #expect(run.output.contains("error mismatch: ") && run.output.contains("called a barrier"), "\(run)")
  }

  @Test func differentNumbersOfDescriptorsAreAnError() throws {
    let run = try merinoRun("-n", "2", "--", Tool.probe, "uneven-descriptors")
    #expect(run.code == 9)
    #expect(run.output.contains("error mismatch: ") && run.output.contains("the same number"), "\(run)")
  }

  @Test func waitingForOneWhoHasLeftIsAnError() throws {
    let run = try merinoRun("-n", "2", "--", Tool.probe, "leave-early")
    #expect(run.code == 9)
    #expect(run.output.contains("error peerLost: node 0 has left the job"), "\(run)")
  }

  @Test func aNodeIsOneProcess() throws {
    let run = try merinoRun("-n", "1", "--", "sh", "-c", "\(Tool.probe) join; \(Tool.probe) join")
    #expect(run.code == 9)
    #expect(run.lines.count == 2 && run.lines[0].hasPrefix("joined 0 of 1"), "\(run)")
    #expect(run.output.contains("error refused: ") && run.output.contains("joins once"), "\(run)")
  }

  @Test func nodesOfDifferentProgramsCountOn() throws {
    let run = try merinoRun(
      "-n", "1", "--", Tool.probe, "join", ":", "-n", "2", "--", "sh", "-c", "\(Tool.probe) join; true", ":",
      "-n1", Tool.probe, "join")
    #expect(run.code == 0, "\(run)")
    #expect(run.lines.sorted().map { $0.prefix(13) } == (0..<4).map { "joined \($0) of 4" })
  }

  @Test(arguments: [
    (
      ["MERINO_RENDEZVOUS": "/nonexistent/rendezvous", "MERINO_NODE": "0", "MERINO_NODES": "1"],
      "error cannotReachLauncher: could not reach the launcher at /nonexistent/rendezvous: No such file"
    ),
    (
      ["MERINO_RENDEZVOUS": "/x", "MERINO_NODES": "2"],
      "error badEnvironment: MERINO_RENDEZVOUS is set but MERINO_NODE"
    ),
    (
      ["MERINO_RENDEZVOUS": "/x", "MERINO_NODE": "2", "MERINO_NODES": "2"],
      "error badEnvironment: MERINO_NODE is \"2\"; it must be a whole number from 0 to 1."
    ),
    (
      ["MERINO_RENDEZVOUS": "/x", "MERINO_NODE": "0", "MERINO_NODES": "1025"],
      "error badEnvironment: MERINO_NODES is \"1025\"; it must be a whole number from 1 to 1024."
    ),
    (
      ["MERINO_RENDEZVOUS": "/x", "MERINO_NODE": "0", "MERINO_NODES": "1", "MERINO_JOIN_TIMEOUT": "soon"],
      "error badEnvironment: MERINO_JOIN_TIMEOUT is \"soon\""
    ),
  ])
  func badEnvironmentIsSaid(environment: [String: String], sentence: String) throws {
    let run = try RunningCommand([Tool.probe, "join"], environment: environment).wait()
    #expect(run.code == 9)
    #expect(run.output.hasPrefix(sentence), "\(run)")
  }

  @Test func whoDoesNotJoinInTimeIsNamed() throws {
    let run = try merinoRun(
      "-n", "2", "--", Tool.probe, "join", ":", "-n", "2", "--", "sleep", "1000",
      environment: ["MERINO_JOIN_TIMEOUT": "0.3"])
    let sentence = "nodes 2 and 3 of 4 did not join within 0.3 s, while nodes 0 and 1 waited"
    #expect(run.code == 1)
    #expect(run.errors.contains("merino: \(sentence)"), "\(run)")
    // And each of those who waited says so itself.
    #expect(run.lines.count == 2)
    for line in run.lines { #expect(line.hasPrefix("error joinTimedOut: \(sentence)")) }
    #expect((300..<1300).contains(run.milliseconds), "\(run.milliseconds) ms")
  }

  @Test func joinTimeoutOptionCountsLikeTheVariable() throws {
    let run = try merinoRun(
      "-n", "1", "--join-timeout", "0.2", "--", Tool.probe, "join", ":", "-n", "1", "--", "sleep", "1000")
    #expect(run.code == 1 && run.errors.contains("node 1 of 2 did not join within 0.2 s"), "\(run)")
  }

  /// Nobody waits for a minute to hear what is known at once.
  @Test func exitBeforeJoiningIsNoticedByThoseWhoWait() throws {
    let run = try merinoRun("-n", "2", "--", Tool.probe, "join", ":", "-n", "1", "--", "true")
    #expect(run.code == 1, "\(run)")
    #expect(run.errors.contains("node 2 (process "), "\(run)")
    #expect(run.errors.contains("exited with code 0 without having joined the job"), "\(run)")
    #expect(run.milliseconds < 1000, "\(run.milliseconds) ms")
  }
}
