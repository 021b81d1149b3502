import Glibc
import Testing

@testable import Bootstrap

/// Stands for ssh in tests: a command that gets a host and a line for a shell, and runs the line here.
final class LaunchAgentScript {
  private let scratch = Scratch()
  /// What the scripts leave: which host, which line.
  let log: String
  let path: String

  /// - Parameter body: what to do with `$line` on `$host`.
  init(_ body: String = "exec sh -c \"$line\"") throws {
    path = scratch.path + "/agent"
    log = scratch.path + "/log"
    // As ssh does, it joins its arguments by spaces.
    let text = "#!/bin/sh\nhost=$1; shift; line=\"$*\"; echo \"$host $line\" >> '\(log)'\n\(body)\n"
    let file = open(path, O_CREAT | O_WRONLY | O_EXCL, 0o700)
    try #require(file >= 0 && write(file, text, text.utf8.count) == text.utf8.count)
    close(file)
  }

  var logged: String { contents(of: log) }
}

func contents(of path: String) -> String {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return "" }
  defer { close(file) }
  var bytes = [UInt8](repeating: 0, count: 1 << 16)
  let count = read(file, &bytes, bytes.count)
  return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
}

/// `merino run --hosts` to its end, through an agent.
func runOnHosts(
  _ hosts: String, _ words: String..., options: [String] = [], agent: LaunchAgentScript? = nil,
  environment: [String: String] = [:], input: String = ""
) throws -> Finished {
  let agent = try agent ?? LaunchAgentScript()
  let command = try RunningCommand(
    [Tool.merino, "run", "--hosts", hosts, "--launch-agent", agent.path] + options + ["--"] + words,
    environment: environment, input: input)
  let finished = command.wait()
  #expect(
    eventually(withinSeconds: 2) { command.scratch.entries == [] }, "\(command.scratch.entries) are left")
  return finished
}

/// A launcher that listens at a port of this machine, with what it says so far.
final class ListeningJob {
  let command: RunningCommand
  let secretFile: String
  let address: String

  init(_ nodeCount: Int, host: String = "127.0.0.1", options: [String] = [], program: [String] = []) throws {
    let scratch = Scratch()
    let secretFile = scratch.path + "/secret"
    self.secretFile = secretFile
    command = try RunningCommand(
      [Tool.merino, "run", "--listen", "\(host):0", "-n", "\(nodeCount)", "--secret-file", secretFile]
        + options
        + program, scratch: scratch)
    let running = command
    try #require(eventually { running.errorsSoFar.contains(" --join ") }, "\(running.errorsSoFar)")
    let words = running.errorsSoFar.split(separator: " ")
    let index = try #require(words.firstIndex(of: "--join"))
    address = String(words[index + 1])
  }

  func join(_ nodeCount: Int, _ program: String..., options: [String] = []) throws -> RunningCommand {
    try RunningCommand(
      [Tool.merino, "run", "--join", address, "--secret-file", secretFile, "-n", "\(nodeCount)"] + options
        + ["--"] + program, scratch: command.scratch)
  }

  func joinByHand(_ program: String...) throws -> RunningCommand {
    try RunningCommand(
      program, environment: ["MERINO_RENDEZVOUS": "tcp:" + address, "MERINO_SECRET_FILE": secretFile],
      scratch: command.scratch)
  }
}
