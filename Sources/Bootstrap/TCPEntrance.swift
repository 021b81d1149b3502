import CBootstrap
import Glibc

/// The TCP side of the rendezvous: who connects must prove to know the secret, and say what it wants,
/// within a time limit. Strangers are many or silent at their own cost: each has a few hundred bytes here, and
/// where there are too many the one that has been here longest goes.
package final class TCPEntrance {
  /// Somebody who has not said yet what it wants.
  private final class Guest {
    let admission: Admission
    var channel: MessageChannel?
    var timer: EventLoop.Timer?
    init(_ admission: Admission) { self.admission = admission }
  }

  let secret: [UInt8]
  let jobNonce: [UInt8]
  package let port: UInt16
  private let loop: EventLoop
  private let listener: Int32
  private let guestLimit: Int
  /// In the order of their arrival.
  private var guests: [Guest] = []
  /// The first message of somebody who has proven to belong here.
  var onFirstMessage: (MessageChannel, RendezvousMessage) -> Void = { _, _ in }

  /// - Parameter host: `nil` for all addresses of this host.
  init(
    loop: EventLoop, host: String?, port: UInt16, nodeCount: Int, secret: [UInt8]
  ) throws(BootstrapError) {
    self.loop = loop
    self.secret = secret
    // All nodes may come at once, with two connections each.
    guestLimit = Self.guestLimit(nodeCount: nodeCount)
    jobNonce = try Handshake.makeNonce()
    var nameError: UnsafePointer<CChar>?
    listener = cbootstrap_tcp_listen(host, "\(port)", Int32(Job.maximumNodeCount), &nameError)
    guard listener >= 0 else {
      let place = "port \(port)" + (host.map { " of \($0)" } ?? "")
      if let nameError {
        throw BootstrapError(.system, "could not listen at \(place): \(String(cString: nameError)).")
      }
      throw .system(
        "listen at \(place)", "bind", advice: "another program may have it; 0 chooses a free port")
    }
    self.port = UInt16(clamping: cbootstrap_tcp_port(listener))
    loop.watch(listener, POLLIN) { [weak self] _ in self?.accept() }
  }

  deinit {
    loop.unwatch(listener)
    close(listener)
    for guest in guests { guest.timer?.cancel() }
  }

  /// Descriptors that strangers may cost the launcher.
  package static func guestLimit(nodeCount: Int) -> Int { 2 * nodeCount + 64 }

  private func accept() {
    while true {
      let socket = cbootstrap_accept(listener)
      guard socket >= 0 else { return }
      if guests.count >= guestLimit { dismiss(guests[0]) }
      _ = cbootstrap_tcp_watch(socket, 0)
      receive(socket)
    }
  }

  private func receive(_ socket: Int32) {
    let guest = Guest(Admission(socket, loop: loop, secret: secret, jobNonce: jobNonce))
    guests.append(guest)
    guest.timer = loop.after(milliseconds: Handshake.timeLimitMilliseconds) { [weak self, unowned guest] in
      self?.dismiss(guest)
    }
    guest.admission.onEnd = { [weak self, unowned guest] socket in
      guard let self else { return }
      guard let socket else { return dismiss(guest) }
      serve(guest, socket)
    }
  }

  private func serve(_ guest: Guest, _ socket: Int32) {
    let channel = MessageChannel(socket, loop: loop)
    guest.channel = channel
    channel.onClosed = { [weak self, unowned guest] _ in self?.dismiss(guest) }
    channel.onMessage = { [weak self, unowned guest] message in
      guard let self, let channel = guest.channel else { return }
      guest.channel = nil
      forget(guest)
      onFirstMessage(channel, message)
    }
  }

  private func dismiss(_ guest: Guest) {
    guest.admission.close()
    guest.channel?.close()
    forget(guest)
  }

  private func forget(_ guest: Guest) {
    guest.timer?.cancel()
    guests.removeAll { $0 === guest }
  }
}

/// The server's side of the handshake. Reads what belongs to it and not a byte more.
private final class Admission {
  private let loop: EventLoop
  private let secret: [UInt8]
  private let jobNonce: [UInt8]
  private var socket: Int32
  private var received: [UInt8] = []
  private var greeting: [UInt8] = []
  private var challenge: [UInt8] = []
  /// The proven connection, which is the callee's then; `nil` for a stranger.
  var onEnd: (Int32?) -> Void = { _ in }

  init(_ socket: Int32, loop: EventLoop, secret: [UInt8], jobNonce: [UInt8]) {
    self.loop = loop
    self.socket = socket
    self.secret = secret
    self.jobNonce = jobNonce
    loop.watch(socket, POLLIN) { [weak self] _ in self?.read() }
  }

  deinit { close() }

  func close() {
    guard socket >= 0 else { return }
    loop.unwatch(socket)
    Glibc.close(socket)
    socket = -1
  }

  private var wantedByteCount: Int {
    greeting.isEmpty ? Handshake.greetingByteCount : Handshake.proofByteCount
  }

  private func read() {
    while socket >= 0 {
      var step = [UInt8](repeating: 0, count: wantedByteCount - received.count)
      let count = recv(socket, &step, step.count, MessageFlags.doNotWait)
      if count < 0 && errno == EINTR { continue }
      if count < 0 && errno == EAGAIN { return }
      guard count > 0 else { return onEnd(nil) }
      received += step[..<count]
      // Whoever speaks another language is not waited for.
      if greeting.isEmpty, received.count >= 6, case .stranger = Handshake.check(received) {
        return onEnd(nil)
      }
      if received.count == wantedByteCount { accept() }
    }
  }

  private func accept() {
    defer { received = [] }
    if greeting.isEmpty {
      greeting = received
      guard let nonce = try? Handshake.makeNonce() else { return onEnd(nil) }
      challenge = Handshake.challenge(nonce: nonce, jobNonce: jobNonce)
      // To another version as well: it reads this one's from it.
      if !send(challenge) { onEnd(nil) }
      return
    }
    let proof = Handshake.proof(of: .joiner, secret: secret, greeting: greeting, challenge: challenge)
    let answer = Handshake.proof(of: .server, secret: secret, greeting: greeting, challenge: challenge)
    guard HMAC.areEqual(received, proof), send(answer) else { return onEnd(nil) }
    let proven = socket
    loop.unwatch(proven)
    socket = -1
    onEnd(proven)
  }

  /// The first bytes of a connection, fewer than any buffer has room for.
  private func send(_ bytes: [UInt8]) -> Bool {
    Glibc.send(socket, bytes, bytes.count, MessageFlags.doNotWait | MessageFlags.noSignal) == bytes.count
  }
}
