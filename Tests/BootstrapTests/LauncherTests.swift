import Glibc
import Testing

/// `merino run` as a command: output, input, signals, mistakes.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct LauncherTests {
  @Test func programsThatNeverJoinRun() throws {
    let run = try merinoRun("-n", "2", "--", "echo", "hi")
    #expect(run.code == 0 && run.output == "hi\nhi\n" && run.errors == "", "\(run)")
  }

  @Test func exitCodeWithoutJoining() throws {
    let run = try merinoRun("-n", "3", "--", "sh", "-c", "exit $((MERINO_NODE * 4))")
    #expect(run.code == 4 || run.code == 8, "\(run)")
    #expect(run.errors.contains("exited with code \(run.code)"), "\(run)")
  }

  @Test func nodesKnowTheirPlace() throws {
    let run = try merinoRun(
      "-n", "2", "--fabric", "host", "--", "sh", "-c", "echo $MERINO_NODE $MERINO_NODES $MERINO_FABRIC")
    #expect(run.lines.sorted() == ["0 2 host", "1 2 host"], "\(run)")
  }

  @Test func rendezvousIsPrivate() throws {
    let run = try merinoRun(
      "-n", "1", "--", "sh", "-c", "stat -c %a ${MERINO_RENDEZVOUS%/*}; [ -S $MERINO_RENDEZVOUS ]")
    #expect(run.code == 0 && run.output == "700\n", "\(run)")
  }

  @Test func labelledLinesStayWhole() throws {
    let run = try merinoRun(
      "-n", "3", "--label", "--", "sh", "-c",
      "i=0; while [ $i -lt 500 ]; do echo $MERINO_NODE line $i; i=$((i+1)); done; echo bad >&2; printf end")
    #expect(run.code == 0)
    for node in 0..<3 {
      let mine = run.lines.filter { $0.hasPrefix("[\(node)] ") }
      #expect(mine == (0..<500).map { "[\(node)] \(node) line \($0)" } + ["[\(node)] end"])
    }
    #expect(run.lines.count == 3 * 501)
    #expect(run.errors.split(separator: "\n").sorted() == ["[0] bad", "[1] bad", "[2] bad"], "\(run)")
  }

  @Test func labelsOfManyNodesAreAsWideAsEachOther() throws {
    let run = try merinoRun("-n", "11", "--label", "--", "echo", "x")
    #expect(run.lines.sorted() == (0..<10).map { "[ \($0)] x" } + ["[10] x"], "\(run)")
  }

  /// A reader that has enough ends writers that never do, with labels as without.
  @Test(arguments: ["--label", ""])
  func readerThatGoesEndsTheJob(label: String) throws {
    let scratch = Scratch()
    let command = try RunningCommand(
      ["sh", "-c", "\(Tool.merino) run -n 2 \(label) -- yes | head -n 3"], scratch: scratch)
    let run = command.wait()
    #expect(run.lines.count == 3, "\(run)")
    #expect(eventually { scratch.entries == [] })
  }

  @Test func inputGoesToNodeZero() throws {
    let run = try merinoRun("-n", "3", "--label", "--", "cat", input: "to whom\n")
    #expect(run.code == 0 && run.output == "[0] to whom\n", "\(run)")
  }

  @Test func nodesHaveTheSignalsAndLimitsOfTheCaller() throws {
    // No shell in between: it would set its own mask.
    let show = ["grep", "-E", "^Sig(Blk|Ign)|^Max open", "/proc/self/status", "/proc/self/limits"]
    func limited(_ words: [String]) throws -> Finished {
      try RunningCommand(["sh", "-c", "ulimit -S -n 26; exec \"$@\"", "sh"] + words).wait()
    }
    let alone = try limited(show)
    let launched = try limited([Tool.merino, "run", "-n", "1", "--label", "--"] + show)
    #expect(alone.lines.count == 3 && alone.output.contains("files            26 "), "\(alone)")
    #expect(launched.lines == alone.lines.map { "[0] \($0)" }, "\(launched)")
  }

  @Test func signalsArePassedOn() throws {
    let command = try RunningCommand([
      Tool.merino, "run", "-n", "2", "--", "sh", "-c",
      "trap 'echo usr1' USR1; trap 'echo int; exit 0' INT; echo ready $$; while true; do sleep 0.02; done",
    ])
    #expect(eventually { numbers(after: "ready", in: command.outputSoFar).count == 2 })
    kill(command.process, SIGUSR1)
    #expect(eventually { command.outputSoFar.split(separator: "\n").filter { $0 == "usr1" }.count == 2 })
    kill(command.process, SIGINT)
    let run = command.wait()
    #expect(run.code == 0, "\(run)")
    #expect(run.lines.filter { $0 == "int" }.count == 2, "\(run)")
  }

  @Test func terminationIsPassedOnAndSaid() throws {
    let command = try RunningCommand([
      Tool.merino, "run", "-n", "2", "--", "sh", "-c", "echo ready $$; sleep 1000",
    ])
    #expect(eventually { numbers(after: "ready", in: command.outputSoFar).count == 2 })
    kill(command.process, SIGTERM)
    let run = command.wait()
    #expect(run.code == 128 + SIGTERM)
    #expect(
      run.errors.contains("SIGTERM (Terminated), which merino run had been sent and passed on"), "\(run)")
  }

  @Test func stoppingAndGoingOn() throws {
    let command = try RunningCommand([
      Tool.merino, "run", "-n", "2", "--", "sh", "-c",
      "echo ready $$; while [ ! -e go ]; do sleep 0.02; done; echo done",
    ])
    #expect(eventually { numbers(after: "ready", in: command.outputSoFar).count == 2 })
    let nodes = numbers(after: "ready", in: command.outputSoFar)
    kill(command.process, SIGTSTP)
    #expect(eventually { (nodes + [command.process]).allSatisfy { state(of: $0) == "T" } })
    kill(command.process, SIGCONT)
    #expect(eventually { (nodes + [command.process]).allSatisfy { state(of: $0) == "S" } })
    kill(command.process, SIGTERM)
    #expect(command.wait().code == 128 + SIGTERM)
  }

  private func state(of process: pid_t) -> String {
    let file = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = read(file, &bytes, bytes.count)
    let text = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    return text.split(separator: " ").dropFirst(2).first.map(String.init) ?? "?"
  }

  @Test(arguments: [
    (
      ["run", "-n", "0", "--", "true"], 2,
      "-n is \"0\"; the number of nodes must be a whole number from 1 to 1024."
    ),
    (["run", "-n", "-3", "--", "true"], 2, "-n is \"-3\"; the number"),
    (["run", "-n", "many", "--", "true"], 2, "-n is \"many\"; the number"),
    (["run", "-n", "1025", "--", "true"], 2, "-n is \"1025\"; the number"),
    (
      ["run", "-n", "1000", "--", "true", ":", "-n", "25", "true"], 2,
      "together have 1025 nodes; a job has at most 1024."
    ),
    (["run", "-n", "2"], 2, "there is no program to run"),
    (["run", "-n", "2", "--", "true", ":"], 2, "there is no program after \":\"."),
    (["run", "-n", "2", "--", "true", ":", "true"], 2, "after \":\" comes \"true\""),
    (
      ["run", "-n", "2", "--fabric", "string", "--", "true"], 2,
      "there is no fabric \"string\"; there is: auto, host, verbs."
    ),
    (["run", "-n", "2", "--timeout", "-1", "--", "true"], 2, "--timeout"),
    (["run", "--", "true"], 2, "--nodes"),
    (["walk"], 2, "walk"),
    (["run", "-n", "2", "--", "no-such-program"], 127, "there is no program \"no-such-program\" in PATH"),
    (
      ["run", "-n", "1", "--", "true", ":", "-n", "1", "/no/such"], 127,
      "node 1 could not be started: there is no program \"/no/such\""
    ),
    (
      ["run", "-n", "2", "--", "/etc/passwd"], 126,
      "node 0 could not be started: running \"/etc/passwd\" failed: Permission denied"
    ),
  ])
  func mistakesAreSaid(words: [String], code: Int32, sentence: String) throws {
    let command = try RunningCommand([Tool.merino] + words)
    let run = command.wait()
    #expect(run.code == code, "\(run)")
    #expect(run.errors.contains(sentence), "\(run)")
    #expect(run.output == "", "\(run)")
    #expect(command.scratch.entries == [])
  }

  @Test func version() throws {
    let run = try RunningCommand([Tool.merino, "--version"]).wait()
    #expect(run.code == 0 && run.output == "merino 0.1.0\n", "\(run)")
  }

  @Test func help() throws {
    let run = try RunningCommand([Tool.merino, "run", "--help"]).wait()
    #expect(
      run.code == 0 && run.output.contains("USAGE: merino run -n N") && run.output.contains("--label"),
      "\(run)")
  }
}
