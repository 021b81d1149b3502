import CBootstrap
import Glibc
import Testing

@testable import Bootstrap

/// The rendezvous over TCP, against nodes, strangers and nonsense.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct TCPRendezvousTests {
  /// A server at a free port of this machine, with its secret in a file.
  private final class Rig {
    let scratch = Scratch()
    let loop = EventLoop()
    let server: RendezvousServer
    let secret: [UInt8]
    let port: UInt16
    private let box: Box
    private final class Box { var reports: [String] = [] }

    init(nodeCount: Int, host: String? = "127.0.0.1") throws {
      let box = Box()
      self.box = box
      secret = try SecretFile.make()
      server = try RendezvousServer(
        loop: loop, path: scratch.path + "/rendezvous", nodeCount: nodeCount, joinTimeoutMilliseconds: 10_000
      ) { box.reports.append("\($0)") }
      port = try server.listen(host: host, port: 0, secret: secret)
      #expect(try SecretFile.create(scratch.path + "/secret", secret))
    }

    func environment(host: String = "127.0.0.1", node: Int? = nil, secretFile: String? = nil) -> [String:
      String]
    {
      JobEnvironment(
        node: node, nodeCount: nil, rendezvous: HostAndPort(host: host, port: port),
        secretFile: secretFile ?? scratch.path + "/secret"
      ).assignments
    }

    var said: [String] { box.reports }

    func serve(seconds: Int = 10, until condition: () -> Bool) -> Bool {
      eventually(withinSeconds: seconds) {
        loop.runOnce(withinMilliseconds: 5)
        return condition()
      }
    }

    func finish(_ command: RunningCommand) -> Finished {
      #expect(serve { !runs(command.process) })
      return command.wait()
    }

    /// A job of one node works: nobody has taken anything from it.
    func expectGoodJob() throws {
      let run = finish(try RunningCommand([Tool.probe, "join"], environment: environment()))
      #expect(run.code == 0 && run.output.hasPrefix("joined 0 of 1 "), "\(run)")
    }

    func stranger() throws -> Int32 {
      var nameError: UnsafePointer<CChar>?
      let socket = cbootstrap_tcp_connect("127.0.0.1", "\(port)", 1000, &nameError)
      try #require(socket >= 0)
      return socket
    }

    /// All that comes from the other end until it closes; `nil` where it does not close in time.
    func rest(of socket: Int32, seconds: Int = 2) -> [UInt8]? {
      var all: [UInt8] = []
      let hasEnded = serve(seconds: seconds) {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(socket, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if count > 0 { all += bytes[..<count] }
        return count == 0 || (count < 0 && errno == ECONNRESET)
      }
      return hasEnded ? all : nil
    }

    func receive(_ count: Int, from socket: Int32) throws -> [UInt8] {
      var all: [UInt8] = []
      let isThere = serve(seconds: 2) {
        var bytes = [UInt8](repeating: 0, count: count - all.count)
        let received = recv(socket, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if received > 0 { all += bytes[..<received] }
        return all.count == count
      }
      try #require(isThere, "\(all.count) of \(count) bytes")
      return all
    }
  }

  private func send(_ bytes: [UInt8], _ socket: Int32) {
    _ = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  @Test(arguments: ["127.0.0.1", "::1", "localhost"])
  func nodesJoinOverTCP(host: String) throws {
    let rig = try Rig(nodeCount: 3, host: nil)
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
    let rig = try Rig(nodeCount: 2)
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
    let rig = try Rig(nodeCount: 1)
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
    let rig = try Rig(nodeCount: 1)
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
    let rig = try Rig(nodeCount: 1)
    let stranger = try rig.stranger()
    defer { close(stranger) }
    send(bytes, stranger)
    shutdown(stranger, Int32(SHUT_WR))
    #expect(rig.rest(of: stranger) == [], "an answer, or no end")
    #expect(rig.said.isEmpty, "\(rig.said)")
    try rig.expectGoodJob()
  }

  /// Who greets well and then says nothing, or says it byte by byte, is put out in time; others join meanwhile.
  @Test func silenceEndsInTimeAndBlocksNobody() throws {
    let rig = try Rig(nodeCount: 1)
    let silent = try (0..<80).map { _ in try rig.stranger() }
    let halfway = try rig.stranger()
    send(Handshake.greeting(nonce: try Handshake.makeNonce()), halfway)
    _ = try rig.receive(Handshake.challengeByteCount, from: halfway)
    send([1], halfway)
    defer { for socket in silent + [halfway] { close(socket) } }
    try rig.expectGoodJob()
    #expect(rig.rest(of: halfway, seconds: 8) == [])
    for socket in silent { #expect(rig.rest(of: socket, seconds: 8) == []) }
  }

  @Test func wrongProofIsAnsweredByTheEnd() throws {
    let rig = try Rig(nodeCount: 1)
    let stranger = try rig.stranger()
    defer { close(stranger) }
    send(Handshake.greeting(nonce: try Handshake.makeNonce()), stranger)
    _ = try rig.receive(Handshake.challengeByteCount, from: stranger)
    send([UInt8](repeating: 0, count: Handshake.proofByteCount), stranger)
    #expect(rig.rest(of: stranger) == [])
    try rig.expectGoodJob()
  }

  /// What proved a joiner once proves nobody in another connection.
  @Test func aReplayedProofIsRefused() throws {
    let rig = try Rig(nodeCount: 1)
    let greeting = Handshake.greeting(nonce: try Handshake.makeNonce())
    let good = try rig.stranger()
    defer { close(good) }
    send(greeting, good)
    let challenge = try rig.receive(Handshake.challengeByteCount, from: good)
    let proof = Handshake.proof(of: .joiner, secret: rig.secret, greeting: greeting, challenge: challenge)
    send(proof, good)
    let answer = try rig.receive(Handshake.proofByteCount, from: good)
    #expect(
      answer == Handshake.proof(of: .server, secret: rig.secret, greeting: greeting, challenge: challenge))
    // The same again, and the server's own answer turned against it.
    for replayed in [proof, answer] {
      let replay = try rig.stranger()
      defer { close(replay) }
      send(greeting, replay)
      #expect(try rig.receive(Handshake.challengeByteCount, from: replay) != challenge)
      send(replayed, replay)
      #expect(rig.rest(of: replay) == [])
    }
    #expect(rig.said.isEmpty, "\(rig.said)")
  }

  /// Even who knows the secret is held to the language.
  @Test func nonsenseAfterTheProofsDisturbsNobody() throws {
    let rig = try Rig(nodeCount: 1)
    for bytes in [
      [UInt8](repeating: 0xFF, count: 24), RendezvousHeader(RendezvousMessage(kind: .barrier)).encoded(),
    ] {
      let greeting = Handshake.greeting(nonce: try Handshake.makeNonce())
      let peer = try rig.stranger()
      defer { close(peer) }
      send(greeting, peer)
      let challenge = try rig.receive(Handshake.challengeByteCount, from: peer)
      send(Handshake.proof(of: .joiner, secret: rig.secret, greeting: greeting, challenge: challenge), peer)
      _ = try rig.receive(Handshake.proofByteCount, from: peer)
      send(bytes, peer)
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
    send(Handshake.challenge(nonce: nonce, jobNonce: nonce), connection)
    send([UInt8](repeating: 9, count: Handshake.proofByteCount), connection)
    let run = node.wait()
    #expect(run.code == 9 && run.output.contains("does not know the job's secret"), "\(run)")
  }

  @Test(arguments: [1, 40])
  func descriptorsOfOneMachineArriveOverTCP(count: Int) throws {
    let rig = try Rig(nodeCount: 3)
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
    let rig = try Rig(nodeCount: 2)
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
      let rig = try Rig(nodeCount: 3)
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
