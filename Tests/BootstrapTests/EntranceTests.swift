import Glibc
import Testing

@testable import Bootstrap

/// Who gets in where many knock, and what those are told that do not.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct EntranceTests {
  /// All places are taken by those who have greeted. The first of them has sent its proof, and it is there
  /// when the next one knocks; nobody has looked at it yet.
  @Test func whoHasJustProvenIsNotSentAway() throws {
    let rig = try RendezvousRig(nodeCount: 1)
    let node = try rig.stranger()
    var sockets = [node]
    defer { for socket in sockets { close(socket) } }
    let proof = try rig.greet(node)
    for _ in 1..<TCPEntrance.guestLimit(nodeCount: 1) {
      let other = try rig.stranger()
      sockets.append(other)
      _ = try rig.greet(other)
    }
    // First, so that it is served first.
    sockets.append(try rig.stranger())
    RendezvousRig.send(proof, node)
    _ = try rig.receive(Handshake.proofByteCount, from: node)
    // Who came as the second is the one that has gone.
    #expect(rig.rest(of: sockets[1]) == [])
    #expect(rig.said.isEmpty, "\(rig.said)")
  }

  /// With the secret, and on its way in when the last node joins: that the secrets differ would be a lie.
  @Test func whoComesTooLateIsToldThatAllAreIn() throws {
    let rig = try RendezvousRig(nodeCount: 1)
    let silent = try rig.proven()
    let unclaimed = try rig.proven()
    defer { for socket in [silent, unclaimed] { close(socket) } }
    let attach = RendezvousMessage(kind: .attachEvents, payload: [UInt8](repeating: 7, count: 16))
    RendezvousRig.send(attach.encoded(), unclaimed)
    let answer = try rig.receive(RendezvousMessage(kind: .answer).encoded().count, from: unclaimed)
    #expect(answer == RendezvousMessage(kind: .answer).encoded())
    try rig.expectGoodJob()
    for socket in [silent, unclaimed] {
      let told = try #require(rig.rest(of: socket))
      #expect(String(decoding: told, as: UTF8.self).contains("whose 1 nodes are all taken"), "\(told)")
    }
  }
}
