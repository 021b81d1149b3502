import Bootstrap
import CBootstrap
import Glibc

/// The process (ssh, or what the user chose) that runs `merino run --join` on another host.
final class LaunchAgent {
  let entry: Int
  let hostName: String
  /// As the user chose it.
  let command: String
  let process: pid_t
  var status: ExitStatus?
  private let input: AgentInput

  init(entry: Int, hostName: String, command: String, process: pid_t, input: AgentInput) {
    self.entry = entry
    self.hostName = hostName
    self.command = command
    self.process = process
    self.input = input
  }

  /// "host b (ssh)"
  var title: String { "host \(hostName) (\(command))" }

  func closeInput() { input.close() }

  /// What the agent is to run on its host: one line for a shell, whose every word is quoted.
  static func commandLine(merino: String, addresses: [HostAndPort], entry: Int, nodeCount: Int) -> String {
    let join = addresses.map(\.description).joined(separator: ",")
    let words = [
      merino, "run", "--join", join, "--secret-file", "-", "--outpost", "\(entry)", "-n", "\(nodeCount)",
    ]
    return words.map(Shell.quoted).joined(separator: " ")
  }
}

/// An agent's standard input: the job, then, for the host of node 0, what comes by this launcher's own.
final class AgentInput {
  private let loop: EventLoop
  private var descriptor: Int32
  private var waiting: [UInt8]
  private let relays: Bool
  private var hasSource: Bool

  init(_ descriptor: Int32, first: [UInt8], relays: Bool, loop: EventLoop) {
    self.loop = loop
    self.descriptor = descriptor
    self.relays = relays
    waiting = first
    hasSource = relays
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    write()
  }

  deinit { close() }

  func close() {
    guard descriptor >= 0 else { return }
    loop.unwatch(descriptor)
    if relays { loop.unwatch(STDIN_FILENO) }
    Glibc.close(descriptor)
    descriptor = -1
  }

  private func write() {
    while !waiting.isEmpty {
      let written = Glibc.write(descriptor, waiting, waiting.count)
      if written < 0 && errno == EINTR { continue }
      if written < 0 && errno == EAGAIN {
        return loop.watch(descriptor, POLLOUT) { [weak self] _ in self?.write() }
      }
      // Nobody reads it any more.
      guard written > 0 else { return close() }
      waiting.removeFirst(written)
    }
    loop.unwatch(descriptor)
    guard hasSource else { return close() }
    // Whoever closes it is noticed even while nothing is to be written.
    loop.watch(descriptor, 0) { [weak self] _ in self?.close() }
    loop.watch(STDIN_FILENO, POLLIN) { [weak self] _ in self?.read() }
  }

  private func read() {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = Glibc.read(STDIN_FILENO, &bytes, bytes.count)
    if count < 0 && (errno == EINTR || errno == EAGAIN) { return }
    loop.unwatch(STDIN_FILENO)
    if count > 0 { waiting = Array(bytes[..<count]) } else { hasSource = false }
    write()
  }
}
