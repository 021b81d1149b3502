import ArgumentParser
import Glibc
import Platform

/// `merino`: a subcommand each in a file of its own.
@main
struct MerinoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merino",
    abstract: "Distributed shared memory for clusters: run programs that share memory.",
    version: "merino \(MerinoVersion.text)",
    subcommands: [RunCommand.self, BenchCommand.self, DoctorCommand.self])

  static func main() {
    if BenchCommand.ranByLink() { return }
    run(Array(CommandLine.arguments.dropFirst()))
  }
}

extension ParsableCommand {
  /// As ArgumentParser's `main`, but misuse ends with 2, as it does for other command-line tools.
  static func run(_ arguments: [String]) {
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch {
      let code = exitCode(for: error)
      let text = fullMessage(for: error)
      if code == .success { print(text) } else { complain(text) }
      Glibc.exit(code == .validationFailure ? ToolExit.misuse : code.rawValue)
    }
  }
}

/// Exit codes that `merino` itself ends with; otherwise it ends with a node's.
enum ToolExit {
  static let failure: Int32 = 1
  static let misuse: Int32 = 2
  static let timedOut: Int32 = 124
  static let cannotExecute: Int32 = 126
  static let noSuchProgram: Int32 = 127
  static func signalled(_ number: Int32) -> Int32 { 128 + number }
}

/// A line on standard error, in one piece.
func complain(_ sentence: String) {
  let line = Array((sentence + "\n").utf8)
  var position = 0
  while position < line.count {
    let written = line.withUnsafeBytes { bytes in
      // In bounds: `position` is below the count.
      write(
        STDERR_FILENO, UnsafeRawBufferPointer(rebasing: bytes[position...]).baseAddress, line.count - position
      )
    }
    if written < 0 && errno == EINTR { continue }
    // Nobody reads it: there is nowhere else to say so.
    guard written > 0 else { return }
    position += written
  }
}
