import Glibc

/// The server's side of the handshake. Reads what belongs to it and not a byte more.
final class Admission {
  private let loop: EventLoop
  private let secret: [UInt8]
  private let jobNonce: [UInt8]
  private var socket: Int32
  /// Of the piece that is being read; never longer than that.
  private var received: [UInt8] = []
  private var greeting: [UInt8] = []
  private var challenge: [UInt8] = []
  /// The proven connection, which is the callee's then; `nil` for a stranger.
  var onEnd: (Int32?) -> Void = { _ in }
  /// It speaks our language, in whatever version.
  var onGreeting: () -> Void = {}

  init(_ socket: Int32, loop: EventLoop, secret: [UInt8], jobNonce: [UInt8]) {
    self.loop = loop
    self.socket = socket
    self.secret = secret
    self.jobNonce = jobNonce
    loop.watch(socket, POLLIN) { [weak self] _ in self?.read() }
  }

  deinit { close() }

  var hasGreeted: Bool { !greeting.isEmpty }

  func close() {
    guard socket >= 0 else { return }
    loop.unwatch(socket)
    Glibc.close(socket)
    socket = -1
  }

  private var wantedByteCount: Int {
    hasGreeted ? Handshake.proofByteCount : Handshake.greetingByteCount
  }

  func read() {
    while socket >= 0 {
      // Above 0: a piece that is complete has been taken.
      let missing = wantedByteCount &- received.count
      var step = [UInt8](repeating: 0, count: missing)
      let count = recv(socket, &step, missing, MessageFlags.doNotWait)
      if count < 0 && errno == EINTR { continue }
      if count < 0 && errno == EAGAIN { return }
      guard count > 0 else { return onEnd(nil) }
      received.append(contentsOf: step.prefix(count))
      // Whoever speaks another language is not waited for.
      if !hasGreeted, Handshake.check(received) == .stranger { return onEnd(nil) }
      if received.count == wantedByteCount { accept() }
    }
  }

  private func accept() {
    let piece = received
    received = []
    guard hasGreeted else { return acceptGreeting(piece) }
    let proof = Handshake.proof(of: .joiner, secret: secret, greeting: greeting, challenge: challenge)
    guard HMAC.areEqual(piece, proof),
      send(Handshake.proof(of: .server, secret: secret, greeting: greeting, challenge: challenge))
    else { return onEnd(nil) }
    let proven = socket
    loop.unwatch(proven)
    socket = -1
    onEnd(proven)
  }

  private func acceptGreeting(_ piece: [UInt8]) {
    greeting = piece
    onGreeting()
    guard let nonce = try? Handshake.makeNonce() else { return onEnd(nil) }
    challenge = Handshake.challenge(nonce: nonce, jobNonce: jobNonce)
    // To another version as well: it reads this one's from it.
    if !send(challenge) { onEnd(nil) }
  }

  /// The first bytes of a connection, fewer than any buffer has room for.
  private func send(_ bytes: [UInt8]) -> Bool {
    Glibc.send(socket, bytes, bytes.count, MessageFlags.doNotWait | MessageFlags.noSignal) == bytes.count
  }
}
