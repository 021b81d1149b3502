import CBootstrap
import Glibc

/// A stream of messages on an event loop: never blocks, whatever the other end does.
package final class MessageChannel {
  private let loop: EventLoop
  private var socket: Int32
  private var reader: MessageReader
  private var writer = MessageWriter()
  /// Its last message is under way: nothing that the other end says is heard any more.
  private var closesWhenSent = false
  private var closingReason: BootstrapError?
  private var closingTimer: EventLoop.Timer?
  private var inFlightRetry: EventLoop.Timer?
  private var inFlightAttempts = 0

  /// What the other end says; what is malformed closes the channel.
  var onMessage: (RendezvousMessage) -> Void = { _ in }
  /// Called once, when the other end is gone or made no sense (then with the reason).
  var onClosed: (BootstrapError?) -> Void = { _ in }

  /// Others come to their turn, however fast one speaks.
  private static let messagesPerTurn = 64
  /// More than anybody has to be told at a time: whoever does not take it is not waited for.
  private static let waitingLimit = 4096
  /// Whoever does not take the last message goes without it.
  private static let farewellMilliseconds = 10_000

  /// Takes the socket over.
  init(
    _ socket: Int32, loop: EventLoop, stepByteCount: Int = MessageReader.usualStepByteCount,
    limits: MessageLimits = .newcomer
  ) {
    self.loop = loop
    self.socket = socket
    reader = MessageReader(stepByteCount: stepByteCount, limits: limits)
    loop.watch(socket, POLLIN) { [weak self] events in self?.serve(events) }
  }

  deinit { close() }

  var isOpen: Bool { socket >= 0 }

  /// What the other end may say from its next message on.
  func expect(_ limits: MessageLimits) { reader.limits = limits }

  /// Over TCP: also a host that does not take what was sent is noticed.
  func boundSending() { _ = cbootstrap_tcp_watch(socket, 1) }

  /// Sends in order, as the other end reads.
  func send(_ message: RendezvousMessage) {
    guard isOpen, !closesWhenSent else { return }
    guard writer.waitingCount < Self.waitingLimit else {
      return end(.violation("does not take what it is told: \(writer.waitingCount) messages wait for it"))
    }
    writer.append(message)
    flush()
  }

  /// The last thing that this channel says.
  func sendAndClose(_ message: RendezvousMessage) {
    guard isOpen, !closesWhenSent else { return }
    writer.append(message)
    closesWhenSent = true
    flush()
    guard isOpen else { return }
    closingTimer = loop.after(milliseconds: Self.farewellMilliseconds) { [weak self] in
      guard let self else { return }
      end(closingReason)
    }
  }

  /// For somebody with whom this side cannot go on: the other end hears why.
  func giveUp(_ reason: BootstrapError) {
    // The first reason stays.
    guard !closesWhenSent else { return }
    closingReason = reason
    sendAndClose(RendezvousMessage(.failure, reason))
  }

  func close() {
    inFlightRetry?.cancel()
    closingTimer?.cancel()
    guard isOpen else { return }
    loop.unwatch(socket)
    Glibc.close(socket)
    socket = -1
  }

  private func end(_ reason: BootstrapError?) {
    guard isOpen else { return }
    close()
    onClosed(reason)
  }

  private func serve(_ events: Int16) {
    if closesWhenSent || events & Int16(POLLOUT) != 0 { flush() }
    guard isOpen, !closesWhenSent,
      events & Int16(truncatingIfNeeded: POLLIN | POLLHUP | POLLERR | POLLNVAL) != 0
    else { return }
    receive()
  }

  /// Takes what the other end has said and nobody has looked at yet; what is left after a turn poll(2) says
  /// again.
  func receive() {
    for _ in 0..<Self.messagesPerTurn where isOpen && !closesWhenSent {
      do {
        switch try reader.receive(from: socket, flags: MessageFlags.doNotWait) {
        case .message(let message): onMessage(message)
        case .wouldBlock: return
        case .closed: return end(nil)
        case .vanished: return end(Self.vanished)
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
        if closesWhenSent { end(closingReason) } else { loop.change(socket, POLLIN) }
      case .wouldBlock: loop.change(socket, closesWhenSent ? POLLOUT : POLLIN | POLLOUT)
      case .tooManyInFlight: try retrySoon()
      case .closed: end(closingReason)
      case .vanished: end(closingReason ?? Self.vanished)
      }
    } catch {
      end(closingReason ?? error)
    }
  }

  private func retrySoon() throws(BootstrapError) {
    loop.change(socket, closesWhenSent ? 0 : POLLIN)
    inFlightAttempts &+= 1
    guard inFlightAttempts < DescriptorLimit.inFlightAttempts else { throw DescriptorLimit.tooManyInFlight() }
    inFlightRetry?.cancel()
    inFlightRetry = loop.after(milliseconds: DescriptorLimit.inFlightPauseMilliseconds) { [weak self] in
      self?.flush()
    }
  }

  static let vanished = BootstrapError(
    .peerLost, "its host has not answered for 20 s: it, or the network between, is down.")
}
