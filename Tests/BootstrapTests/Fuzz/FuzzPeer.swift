import CBootstrap
import Glibc

@testable import Bootstrap

/// Somebody at the entrance, with what it is going to say: piece by piece, as the kernel may cut it.
final class FuzzPeer {
  enum Step {
    case say([UInt8])
    /// What the challenge asks for, mutated or not.
    case prove(isMutated: Bool)
    /// A carrier byte, or another one, with descriptors that are closed here afterwards.
    case pass([UInt8], [Int32])
    case halfClose
  }

  let socket: Int32
  private let secret: [UInt8]
  var greeting: [UInt8] = []
  private var script: [Step]
  private var outgoing: [UInt8] = []
  private(set) var heard: [UInt8] = []
  private(set) var isOver = false
  /// It waits for the server's turn.
  private var patience = 8

  init(_ socket: Int32, secret: [UInt8], greeting: [UInt8] = [], script: [Step]) {
    self.socket = socket
    self.secret = secret
    self.greeting = greeting
    self.script = script
  }

  deinit {
    for case .pass(_, let descriptors) in script { descriptors.forEach { close($0) } }
    close(socket)
  }

  var hasSaidAll: Bool { isOver || (script.isEmpty && outgoing.isEmpty) }
  func add(_ steps: [Step]) { script += steps }

  /// Says the next piece.
  func speak(_ random: inout FuzzRandom) {
    hear()
    if outgoing.isEmpty { next(&random) }
    guard !isOver, !outgoing.isEmpty else { return }
    let count = random.percent(60) ? outgoing.count : 1 + random.below(min(outgoing.count, 50))
    let sent = send(socket, outgoing, count, MessageFlags.doNotWait | MessageFlags.noSignal)
    if sent > 0 { outgoing.removeFirst(sent) }
    if sent < 0 && errno != EAGAIN { isOver = true }
  }

  private func next(_ random: inout FuzzRandom) {
    guard let step = script.first else { return }
    switch step {
    case .say(let bytes): outgoing = bytes
    case .prove(let isMutated):
      guard heard.count >= Handshake.challengeByteCount else {
        // Not challenged: the greeting was none, or the server has not had its turn.
        patience -= 1
        if patience == 0 { isOver = true }
        return
      }
      let challenge = Array(heard.prefix(Handshake.challengeByteCount))
      outgoing =
        isMutated && random.percent(70)
        ? random.bytes(Handshake.proofByteCount)
        : Handshake.proof(of: .joiner, secret: secret, greeting: greeting, challenge: challenge)
      if isMutated { outgoing = random.mutated(outgoing) }
    case .pass(let bytes, let descriptors):
      _ = cbootstrap_send(
        socket, bytes, bytes.count, descriptors, Int32(descriptors.count), MessageFlags.doNotWait)
      descriptors.forEach { close($0) }
    case .halfClose: shutdown(socket, Int32(SHUT_WR))
    }
    script.removeFirst()
  }

  /// What the server has said; it is never blocked by whoever does not listen, so some do not.
  func hear() {
    var bytes = [UInt8](repeating: 0, count: 2048)
    while true {
      let count = recv(socket, &bytes, bytes.count, MessageFlags.doNotWait)
      guard count > 0 else {
        if count == 0 { isOver = true }
        return
      }
      if heard.count < 4096 { heard += bytes[..<count] }
    }
  }
}
