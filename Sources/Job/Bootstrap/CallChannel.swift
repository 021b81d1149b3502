import CBootstrap
import CPlatform
import Glibc

/// The node's end of the calls channel: one question at a time, each with its answer.
struct CallChannel: ~Copyable {
  private let socket: Int32
  private var reader = MessageReader()
  private var writer = MessageWriter()
  var hasLeft = false

  init(connectingTo path: String) throws(BootstrapError) {
    let descriptor = cbootstrap_connect(path)
    guard descriptor >= 0 else { throw Self.unreachable(path) }
    var process: pid_t = 0
    var user: uid_t = 0
    // A job is of one user: whoever else listens there is not our launcher.
    guard cbootstrap_peer(descriptor, &process, &user) == 0, user == geteuid() else {
      close(descriptor)
      throw BootstrapError(
        .cannotReachLauncher,
        "the rendezvous socket \(path) belongs to user \(user) and this process runs as user \(geteuid()); a "
          + "job's launcher and its nodes must run as the same user.")
    }
    socket = descriptor
  }

  /// Takes over a connection over TCP, both of whose ends have proven to know the secret.
  init(proven socket: Int32) { self.socket = socket }

  deinit { close(socket) }

  private static func unreachable(_ path: String) -> BootstrapError {
    let reason = String(cString: strerror(errno))
    return BootstrapError(
      .cannotReachLauncher,
      "could not reach the launcher at \(path): \(reason). The launcher may have ended; start the program "
        + "with merino run, or unset \(JobEnvironment.rendezvousName) to run it as a job of one node.")
  }

  /// The other end reads the end of the connection, whoever still holds this one.
  mutating func hangUp() {
    hasLeft = true
    shutdown(socket, Int32(SHUT_RDWR))
  }

  mutating func call(_ question: RendezvousMessage) throws(BootstrapError) -> RendezvousMessage {
    guard !hasLeft else { throw BootstrapError(.alreadyLeft, "this node has left the job already.") }
    try send(question)
    guard let answer = try receive(withinMilliseconds: -1), answer.kind == .answer else {
      throw MessageReader.malformed
    }
    return answer
  }

  mutating func send(_ message: RendezvousMessage) throws(BootstrapError) {
    writer.append(message)
    for attempt in 0... {
      switch try writer.flush(to: socket, flags: MessageFlags.doNotWait) {
      case .done: return
      case .closed: return try throwLastWords()
      case .vanished: throw Self.launcherVanished
      case .wouldBlock:
        var entry = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        poll(&entry, 1, -1)
      case .tooManyInFlight:
        // Others of this user have descriptors in flight; they drain as their receivers run.
        guard attempt < DescriptorLimit.inFlightAttempts else { throw DescriptorLimit.tooManyInFlight() }
        cplatform_sleep_nanoseconds(UInt64(clamping: DescriptorLimit.inFlightPauseMilliseconds) &* 1_000_000)
      }
    }
  }

  /// The server closed the connection; before it did, it may have said why.
  private mutating func throwLastWords() throws(BootstrapError) {
    _ = try receive(withinMilliseconds: 0)
    throw Self.launcherGone
  }

  /// The next message, a failure as an error; `nil` when the time (-1: none) is up.
  mutating func receive(withinMilliseconds limit: Int) throws(BootstrapError) -> RendezvousMessage? {
    let start = cplatform_now_nanoseconds()
    while true {
      switch try reader.receive(from: socket, flags: MessageFlags.doNotWait) {
      case .message(let message):
        guard message.kind == .failure else { return message }
        throw message.error ?? MessageReader.malformed
      case .closed: throw Self.launcherGone
      case .vanished: throw Self.launcherVanished
      case .wouldBlock: break
      }
      let elapsed = Int(clamping: (cplatform_now_nanoseconds() &- start) / 1_000_000)
      if limit >= 0 && elapsed >= limit { return nil }
      var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
      // Interrupted by a signal: looks again.
      poll(&entry, 1, limit < 0 ? -1 : Int32(clamping: limit &- elapsed))
    }
  }

  static let launcherVanished = BootstrapError(
    .launcherGone,
    "the launcher's host has not answered for 20 s: it, or the network between, is down.")

  private static let launcherGone = BootstrapError(
    .launcherGone,
    "the launcher (merino run) closed its connection to this node; it has probably been killed.")
}
