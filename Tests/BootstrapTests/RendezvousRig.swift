import CBootstrap
import Glibc
import Testing

@testable import Bootstrap

/// A server at a free port of this machine, with its secret in a file.
final class RendezvousRig {
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

  static func send(_ bytes: [UInt8], _ socket: Int32) {
    _ = Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// Greets, and gives back what proves after that challenge that who sends it knows the secret.
  func greet(_ socket: Int32) throws -> [UInt8] {
    let greeting = Handshake.greeting(nonce: try Handshake.makeNonce())
    Self.send(greeting, socket)
    let challenge = try receive(Handshake.challengeByteCount, from: socket)
    return Handshake.proof(of: .joiner, secret: secret, greeting: greeting, challenge: challenge)
  }

  /// A connection of somebody who has proven to belong here, and has not said what it wants.
  func proven() throws -> Int32 {
    let socket = try stranger()
    Self.send(try greet(socket), socket)
    _ = try receive(Handshake.proofByteCount, from: socket)
    return socket
  }
}
