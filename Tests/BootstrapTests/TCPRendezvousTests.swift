import CBootstrap
import Glibc
import Testing

@testable import Bootstrap

/// The rendezvous over TCP, against nodes, strangers and nonsense.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct TCPRendezvousTests {
  @Test(arguments: ["127.0.0.1", "::1", "localhost"])
  func nodesJoinOverTCP(host: String) throws {
    let rig = try RendezvousRig(nodeCount: 3, host: nil)
    let nodes = try (0..<3).map { _ in
      try RunningCommand([Tool.probe, "join"], environment: rig.environment(host: host))
    }
    let lines = nodes.map { rig.finish($0).output }.sorted()
    for (node, line) in lines.enumerated() {
      #expect(line.hasPrefix("joined \(node) of 3 secret"), "\(line)")
    }
    #expect(Set(lines.map { $0.split(separator: "secret").last ?? "" }).count == 1)
    // Neither the file's bytes nor anything that is sent is the job's secret.
    #expect(lines[0].contains("\(rig.server.secret.0)"))
  }

  @Test func aNumberThatANodeBringsIsItsOwn() throws {
    let rig = try RendezvousRig(nodeCount: 2)
    func join(_ node: Int?) throws -> RunningCommand {
      try RunningCommand([Tool.probe, "join"], environment: rig.environment(node: node))
    }
    let first = try join(1)
    #expect(rig.serve { !rig.said.isEmpty })
    let second = rig.finish(try join(1))
    #expect(second.code == 9 && second.output.contains("error refused: "), "\(second)")
    #expect(second.output.contains("has done so before"), "\(second)")
    let third = rig.finish(try join(nil))
    #expect(third.output.hasPrefix("joined 0 of 2 "), "\(third)")
    #expect(rig.finish(first).output.hasPrefix("joined 1 of 2 "))
  }

  @Test func wrongSecretIsRefusedOnBothSides() throws {
    let rig = try RendezvousRig(nodeCount: 1)
    let wrong = rig.scratch.path + "/wrong"
    #expect(try SecretFile.create(wrong, try SecretFile.make()))
    let run = rig.finish(
      try RunningCommand([Tool.probe, "join"], environment: rig.environment(secretFile: wrong)))
    #expect(run.code == 9 && run.output.contains("error refused: "), "\(run)")
    #expect(run.output.contains("the secrets differ"), "\(run)")
    #expect(rig.said.isEmpty, "\(rig.said)")
    try rig.expectGoodJob()
  }

  @Test(arguments: [
    ([JobEnvironment.secretFileName: ""], "MERINO_SECRET_FILE is not set"),
    ([JobEnvironment.secretFileName: "/nonexistent"], "could not read the job's secret from /nonexistent"),
    ([JobEnvironment.rendezvousName: "tcp:nowhere"], "over TCP it is tcp:HOST:PORT"),
    ([JobEnvironment.rendezvousName: "tcp:::1:7000"], "an IPv6 address in brackets"),
    ([JobEnvironment.rendezvousName: "tcp:127.0.0.1:1"], "127.0.0.1:1: Connection refused"),
    ([JobEnvironment.nodeName: "1024"], "MERINO_NODE is \"1024\""),
  ])
  func badEnvironmentIsSaid(change: [String: String], sentence: String) throws {
    let rig = try RendezvousRig(nodeCount: 1)
    let run = rig.finish(
      try RunningCommand(
        [Tool.probe, "join"], environment: rig.environment().merging(change) { $1 }))
    #expect(run.code == 9 && run.output.contains(sentence), "\(run)")
  }

  /// Nothing comes back, and nobody is kept from joining.
  @Test(arguments: [
    Array("GET / HTTP/1.1\r\nHost: merino\r\n\r\n".utf8), [UInt8](repeating: 0xFF, count: 100_000),
    RendezvousHeader(RendezvousMessage(kind: .barrier)).encoded(), [],
  ])
  func strangersLearnNothing(bytes: [UInt8]) throws {
    let rig = try RendezvousRig(nodeCount: 1)
    let stranger = try rig.stranger()
    defer { close(stranger) }
    RendezvousRig.send(bytes, stranger)
    shutdown(stranger, Int32(SHUT_WR))
    #expect(rig.rest(of: stranger) == [], "an answer, or no end")
    #expect(rig.said.isEmpty, "\(rig.said)")
    try rig.expectGoodJob()
  }

  /// Who greets well and then says nothing, or says it byte by byte, is put out in time; others join
  /// meanwhile.
  @Test func silenceEndsInTimeAndBlocksNobody() throws {
    let rig = try RendezvousRig(nodeCount: 1)
    let silent = try (0..<80).map { _ in try rig.stranger() }
    let halfway = try rig.stranger()
    RendezvousRig.send(Handshake.greeting(nonce: try Handshake.makeNonce()), halfway)
    _ = try rig.receive(Handshake.challengeByteCount, from: halfway)
    RendezvousRig.send([1], halfway)
    defer { for socket in silent + [halfway] { close(socket) } }
    try rig.expectGoodJob()
    #expect(rig.rest(of: halfway, seconds: 8) == [])
    for socket in silent { #expect(rig.rest(of: socket, seconds: 8) == []) }
  }

  @Test func wrongProofIsAnsweredByTheEnd() throws {
    let rig = try RendezvousRig(nodeCount: 1)
    let stranger = try rig.stranger()
    defer { close(stranger) }
    RendezvousRig.send(Handshake.greeting(nonce: try Handshake.makeNonce()), stranger)
    _ = try rig.receive(Handshake.challengeByteCount, from: stranger)
    RendezvousRig.send([UInt8](repeating: 0, count: Handshake.proofByteCount), stranger)
    #expect(rig.rest(of: stranger) == [])
    try rig.expectGoodJob()
  }

  /// What proved a joiner once proves nobody in another connection.
  @Test func aReplayedProofIsRefused() throws {
    let rig = try RendezvousRig(nodeCount: 1)
    let greeting = Handshake.greeting(nonce: try Handshake.makeNonce())
    let good = try rig.stranger()
    defer { close(good) }
    RendezvousRig.send(greeting, good)
    let challenge = try rig.receive(Handshake.challengeByteCount, from: good)
    let proof = Handshake.proof(of: .joiner, secret: rig.secret, greeting: greeting, challenge: challenge)
    RendezvousRig.send(proof, good)
    let answer = try rig.receive(Handshake.proofByteCount, from: good)
    #expect(
      answer == Handshake.proof(of: .server, secret: rig.secret, greeting: greeting, challenge: challenge))
    // The same again, and the server's own answer turned against it.
    for replayed in [proof, answer] {
      let replay = try rig.stranger()
      defer { close(replay) }
      RendezvousRig.send(greeting, replay)
      #expect(try rig.receive(Handshake.challengeByteCount, from: replay) != challenge)
      RendezvousRig.send(replayed, replay)
      #expect(rig.rest(of: replay) == [])
    }
    #expect(rig.said.isEmpty, "\(rig.said)")
  }

  /// Even who knows the secret is held to the language.
  @Test func nonsenseAfterTheProofsDisturbsNobody() throws {
    let rig = try RendezvousRig(nodeCount: 1)
    for bytes in [
      [UInt8](repeating: 0xFF, count: 24), RendezvousHeader(RendezvousMessage(kind: .barrier)).encoded(),
    ] {
      let greeting = Handshake.greeting(nonce: try Handshake.makeNonce())
      let peer = try rig.stranger()
      defer { close(peer) }
      RendezvousRig.send(greeting, peer)
      let challenge = try rig.receive(Handshake.challengeByteCount, from: peer)
      RendezvousRig.send(
        Handshake.proof(of: .joiner, secret: rig.secret, greeting: greeting, challenge: challenge), peer)
      _ = try rig.receive(Handshake.proofByteCount, from: peer)
      RendezvousRig.send(bytes, peer)
      #expect(rig.rest(of: peer) != nil, "the connection is not closed")
    }
    try rig.expectGoodJob()
  }

  /// A node does not take a stranger for its launcher.
  @Test func serverMustProveItself() throws {
    let scratch = Scratch()
    #expect(try SecretFile.create(scratch.path + "/secret", try SecretFile.make()))
    var nameError: UnsafePointer<CChar>?
    let listener = cbootstrap_tcp_listen("127.0.0.1", "0", 8, &nameError)
    try #require(listener >= 0)
    defer { close(listener) }
    let address = HostAndPort(host: "127.0.0.1", port: UInt16(cbootstrap_tcp_port(listener)))
    let node = try RunningCommand(
      [Tool.probe, "join"],
      environment: JobEnvironment(
        node: nil, nodeCount: nil, rendezvous: address, secretFile: scratch.path + "/secret"
      ).assignments)
    var connection: Int32 = -1
    #expect(
      eventually {
        connection = cbootstrap_accept(listener); return connection >= 0
      })
    defer { close(connection) }
    _ = fcntl(connection, F_SETFL, 0)
    let nonce = try Handshake.makeNonce()
    RendezvousRig.send(Handshake.challenge(nonce: nonce, jobNonce: nonce), connection)
    RendezvousRig.send([UInt8](repeating: 9, count: Handshake.proofByteCount), connection)
    let run = node.wait()
    #expect(run.code == 9 && run.output.contains("does not know the job's secret"), "\(run)")
  }

  @Test(arguments: [1, 40])
  func descriptorsOfOneMachineArriveOverTCP(count: Int) throws {
    let rig = try RendezvousRig(nodeCount: 3)
    let nodes = try (0..<3).map { _ in
      try RunningCommand([Tool.probe, "descriptors", "\(count)"], environment: rig.environment())
    }
    for node in nodes {
      let run = rig.finish(node)
      #expect(run.code == 0 && run.output == "descriptors \(3 * count)\n", "\(run)")
    }
  }

  /// Another namespace of processes is another machine, as far as descriptors go.
  @Test(.enabled(if: geteuid() == 0, "only root can make a namespace"))
  func otherMachinesAreToldApart() throws {
    let rig = try RendezvousRig(nodeCount: 2)
    let near = try RunningCommand([Tool.probe, "machines"], environment: rig.environment())
    let far = try RunningCommand(
      ["unshare", "--pid", "--fork", "--mount-proc", Tool.probe, "machines"], environment: rig.environment())
    for node in [near, far] {
      let run = rig.finish(node)
      #expect(run.code == 9, "\(run)")
      #expect(run.output.hasPrefix("2 machines, all on one: false\nerror differentMachines: "), "\(run)")
    }
  }

  @Test func barriersAndExchangesOverTCP() throws {
    for words in [["barrier", "20"], ["exchange", "3000000", "3"], ["mismatch"]] {
      let rig = try RendezvousRig(nodeCount: 3)
      let nodes = try (0..<3).map { _ in
        try RunningCommand([Tool.probe] + words, environment: rig.environment())
      }
      for node in nodes {
        let run = rig.finish(node)
        #expect(words[0] == "mismatch" ? run.output.contains("error mismatch") : run.code == 0, "\(run)")
      }
    }
  }
}
