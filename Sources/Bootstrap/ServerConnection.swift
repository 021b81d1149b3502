import CBootstrap
import Glibc

/// The server's end of one process's channels: never blocks, whatever the process does.
final class ServerConnection {
  let process: pid_t
  let user: uid_t
  /// Set by the hello.
  var node: Int?

  private let loop: EventLoop
  private var socket: Int32
  private var events: Int32 = -1
  private var reader = MessageReader()
  private var writer = MessageWriter()
  /// Its last message is under way: nothing that the process says is heard any more.
  private var closesWhenSent = false
  private var closingReason: BootstrapError?
  private var inFlightRetry: EventLoop.Timer?
  private var inFlightAttempts = 0

  /// What the process says; what is malformed closes the connection.
  var onMessage: (RendezvousMessage) -> Void = { _ in }
  /// What it says on the events channel.
  var onEvent: (RendezvousMessage) -> Void = { _ in }
  /// Called once, when the other end is gone or made no sense (then with the reason).
  var onClosed: (BootstrapError?) -> Void = { _ in }

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
    self.socket = socket
    loop.watch(socket, POLLIN) { [weak self] events in self?.serve(events) }
  }

  deinit { close() }

  var isOpen: Bool { socket >= 0 }

  func adopt(eventDescriptor: Int32) {
    events = eventDescriptor
    loop.watch(eventDescriptor, POLLIN) { [weak self] _ in self?.serveEvents() }
  }

  /// Sends in order, as the other end reads.
  func send(_ message: RendezvousMessage) {
    guard isOpen else { return }
    writer.append(message)
    flush()
  }

  /// The last thing that this connection says.
  func sendAndClose(_ message: RendezvousMessage) {
    closesWhenSent = true
    send(message)
  }

  /// For a process with which the server cannot go on: it hears why.
  func giveUp(_ reason: BootstrapError) {
    closingReason = reason
    sendAndClose(RendezvousMessage(.failure, reason))
  }

  /// News on the events channel; a process that does not take it (its buffer is full of earlier
  /// news) has enough to know.
  func sendEvent(_ message: RendezvousMessage) {
    guard events >= 0 else { return }
    let datagram = message.datagram()
    _ = Glibc.send(events, datagram, datagram.count, MessageFlags.doNotWait | MessageFlags.noSignal)
  }

  func close() {
    inFlightRetry?.cancel()
    closeEvents()
    guard isOpen else { return }
    loop.unwatch(socket)
    Glibc.close(socket)
    socket = -1
  }

  private func closeEvents() {
    guard events >= 0 else { return }
    loop.unwatch(events)
    Glibc.close(events)
    events = -1
  }

  /// Takes what the process has said on the events channel and nobody has looked at yet.
  func hearEvents() { serveEvents() }

  private func fail(_ reason: BootstrapError?) {
    guard isOpen else { return }
    // Who ends the job and exits at once has both on the way: the wish comes first.
    hearEvents()
    close()
    onClosed(reason)
  }

  private func serve(_ events: Int16) {
    if closesWhenSent || events & Int16(POLLOUT) != 0 { flush() }
    guard isOpen, !closesWhenSent, events & Int16(POLLIN | POLLHUP | POLLERR) != 0 else { return }
    receive()
  }

  private func receive() {
    while isOpen && !closesWhenSent {
      do {
        switch try reader.receive(from: socket, flags: MessageFlags.doNotWait) {
        case .message(let message): onMessage(message)
        case .wouldBlock: return
        case .closed: return fail(nil)
        }
      } catch {
        return giveUp(error)
      }
    }
  }

  private func flush() {
    do {
      switch try writer.flush(to: socket, flags: MessageFlags.doNotWait) {
      case .done:
        inFlightAttempts = 0
        if closesWhenSent { fail(closingReason) } else { loop.change(socket, POLLIN) }
      case .wouldBlock: loop.change(socket, closesWhenSent ? POLLOUT : POLLIN | POLLOUT)
      case .tooManyInFlight: try retrySoon()
      case .closed: fail(nil)
      }
    } catch {
      fail(error)
    }
  }

  private func retrySoon() throws(BootstrapError) {
    loop.change(socket, closesWhenSent ? 0 : POLLIN)
    inFlightAttempts += 1
    guard inFlightAttempts < DescriptorLimit.inFlightAttempts else { throw DescriptorLimit.tooManyInFlight() }
    inFlightRetry?.cancel()
    inFlightRetry = loop.after(milliseconds: DescriptorLimit.inFlightPauseMilliseconds) { [weak self] in
      self?.flush()
    }
  }

  private func serveEvents() {
    var datagram = [UInt8](repeating: 0, count: 4096)
    while events >= 0 {
      let received = recv(events, &datagram, datagram.count, MessageFlags.doNotWait)
      if received < 0 && errno == EINTR { continue }
      if received < 0 && errno == EAGAIN { return }
      // Its end shows on the calls channel, too, which is where it counts.
      guard received > 0 else { return closeEvents() }
      if let message = RendezvousMessage(datagram: Array(datagram[..<received])) { onEvent(message) }
    }
  }
}
