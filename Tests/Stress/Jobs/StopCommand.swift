import ArgumentParser
import Glibc
import Merino

/// A node is stopped by SIGSTOP, and the others go on with everything that is homed at it.
struct StopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stop", abstract: "Stop the last node's process; the others use its pages, locks and blocks."
  )

  @Option(help: "Seconds until whatever hangs is ended; beside the stopped node half of it.")
  var limit = 60

  func run() throws {
    let cluster = must("join") { () throws(MerinoError) in try Cluster.join() }
    guard cluster.nodeCount >= 3 else { Failure.report("the stop test needs 3 nodes") }
    // Without the launcher's help.
    alarm(UInt32(limit))
    let test = StopTest(cluster, limitMilliseconds: limit * 500)
    test.run()
    must("finalize") { () throws(MerinoError) in try cluster.finalize() }
  }
}

/// The state of a process, by /proc.
enum ProcessState {
  /// The letter of /proc/PID/stat; `nil` where there is no such process.
  static func of(_ pid: pid_t) -> Character? {
    guard let file = fopen("/proc/\(pid)/stat", "r") else { return nil }
    defer { fclose(file) }
    var line = [UInt8](repeating: 0, count: 512)
    let count = fread(&line, 1, line.count - 1, file)
    let text = String(decoding: line[..<count], as: UTF8.self)
    // Behind the name, which is in parentheses.
    guard let end = text.lastIndex(of: ")") else { return nil }
    return text[end...].dropFirst(2).first
  }

  static func wait(_ pid: pid_t, until state: Character) {
    let start = now()
    while of(pid) != state {
      if milliseconds(since: start) > 10_000 { Failure.report("process \(pid) is not in state \(state)") }
      usleep(1000)
    }
  }
}
