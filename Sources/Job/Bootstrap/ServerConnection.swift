import CBootstrap
import Glibc

/// The server's end of one process's channels: calls, and events beside them.
final class ServerConnection {
  /// Of the process at the other end; over TCP 0 until its hello.
  var process: pid_t
  let user: uid_t
  /// Over TCP, from this host or another.
  let isRemote: Bool
  /// Set by the hello.
  var node: Int?

  private let loop: EventLoop
  private let calls: MessageChannel
  private var events: MessageChannel?
  private var endTimer: EventLoop.Timer?
  private(set) var hasEnded = false
  /// Why the calls channel ended: hearing the rest of the events may show their end first.
  private var callsReason: BootstrapError?

  /// What the process says on the calls channel.
  var onMessage: (RendezvousMessage) -> Void = { _ in }
  /// What it says on the events channel.
  var onEvent: (RendezvousMessage) -> Void = { _ in }
  /// Called once, when the process is gone or made no sense (then with the reason).
  var onClosed: (BootstrapError?) -> Void = { _ in }

  /// The two connections of a process over TCP end one after the other; the second has this long.
  private static let secondEndMilliseconds = 200

  init?(accepted socket: Int32, loop: EventLoop) {
    var process: pid_t = 0
    var user: uid_t = 0
    guard cbootstrap_peer(socket, &process, &user) == 0 else {
      Glibc.close(socket)
      return nil
    }
    self.process = process
    self.user = user
    self.loop = loop
    isRemote = false
    calls = MessageChannel(socket, loop: loop)
    listen()
  }

  /// Of somebody who has proven to know the secret, hence stands for this user.
  init(proven calls: MessageChannel, loop: EventLoop) {
    process = 0
    user = geteuid()
    isRemote = true
    self.loop = loop
    self.calls = calls
    listen()
  }

  deinit { close() }

  private func listen() {
    calls.onMessage = { [weak self] message in self?.onMessage(message) }
    calls.onClosed = { [weak self] reason in self?.callsEnded(reason) }
  }

  var isOpen: Bool { calls.isOpen }

  func adopt(events: MessageChannel) {
    self.events = events
    events.expect(.report)
    events.onMessage = { [weak self] message in self?.onEvent(message) }
    events.onClosed = { [weak self] reason in self?.eventsEnded(reason) }
  }

  /// It has been admitted.
  func expectQuestions() { calls.expect(.node) }

  func send(_ message: RendezvousMessage) { calls.send(message) }
  func sendAndClose(_ message: RendezvousMessage) { calls.sendAndClose(message) }
  func giveUp(_ reason: BootstrapError) { calls.giveUp(reason) }
  func sendEvent(_ message: RendezvousMessage) { events?.send(message) }

  func close() {
    endTimer?.cancel()
    calls.close()
    events?.close()
  }

  /// Takes what the process has said on the events channel and nobody has looked at yet.
  func hearEvents() { events?.receive() }

  private func callsEnded(_ reason: BootstrapError?) {
    callsReason = reason
    // Who ends the job and exits at once has both on the way: the wish comes first.
    hearEvents()
    guard isRemote, reason == nil, events?.isOpen ?? false else { return end(reason) }
    endSoon(nil)
  }

  private func eventsEnded(_ reason: BootstrapError?) {
    if !calls.isOpen { return end(callsReason ?? reason) }
    if let reason { return reason.kind == .protocolViolation ? giveUp(reason) : end(reason) }
    // Between processes of one machine the end of the calls channel is what counts.
    if isRemote { endSoon(nil) }
  }

  private func endSoon(_ reason: BootstrapError?) {
    endTimer?.cancel()
    endTimer = loop.after(milliseconds: Self.secondEndMilliseconds) { [weak self] in self?.end(reason) }
  }

  private func end(_ reason: BootstrapError?) {
    guard !hasEnded else { return }
    hasEnded = true
    close()
    onClosed(reason)
  }
}
