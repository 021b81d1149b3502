import CBootstrap
import Glibc

@testable import Bootstrap

/// How far those got who came: a fuzz test that nobody passes tests nothing.
struct FuzzCounts {
  var conversations = 0
  var local = 0
  var greeted = 0
  var proven = 0
  /// Have said what they want.
  var said = 0
  var attached = 0
  var admitted = 0
  var outposts = 0
  var allJoined = 0
  /// Questions that every node has asked and that were answered.
  var answered = 0
  var left = 0
  var aborted = 0
  var reports = 0
  /// Nodes that broke the protocol and were cut off.
  var cutOff = 0

  static func += (sum: inout FuzzCounts, more: FuzzCounts) {
    for field in [
      \FuzzCounts.conversations, \.local, \.greeted, \.proven, \.said, \.attached, \.admitted, \.outposts,
      \.allJoined, \.answered, \.left, \.aborted, \.reports, \.cutOff,
    ] { sum[keyPath: field] += more[keyPath: field] }
  }
}

/// A server as a launcher has it, and everybody who comes to it.
final class FuzzJob {
  private let loop = EventLoop()
  private let server: RendezvousServer
  private let secret: [UInt8]
  private let nodeCount: Int
  private var random: FuzzRandom
  private var peers: [FuzzPeer] = []
  /// Proven and silent: their node's events channels.
  private var attached: [FuzzPeer] = []
  private var tokens: [[UInt8]] = []
  private let box = Box()

  private final class Box {
    weak var server: RendezvousServer?
    var outposts: [Outpost] = []
    var counts = FuzzCounts()
    var keepsOutposts = true
  }

  private static let livePeers = 4

  init(_ random: FuzzRandom, _ secret: [UInt8], name: String) throws {
    self.random = random
    self.secret = secret
    nodeCount = 1 + self.random.below(3)
    let box = box
    server = try RendezvousServer(
      loop: loop, path: "@merino-fuzz-\(getpid())-\(name)", nodeCount: nodeCount,
      joinTimeoutMilliseconds: 60_000
    ) { Self.handle($0, box) }
    box.server = server
    box.keepsOutposts = self.random.percent(80)
    if self.random.percent(20) { server.addEntry([0]) }
    _ = try server.listen(host: "127.0.0.1", port: 0, secret: secret)
  }

  /// As launchers do.
  private static func handle(_ report: RendezvousServer.Report, _ box: Box) {
    switch report {
    case .joined: box.counts.admitted += 1
    case .allJoined: box.counts.allJoined += 1
    case .left: box.counts.left += 1
    case .disconnected(let node, let reason):
      if reason != nil { box.counts.cutOff += 1 }
      box.server?.declareLost(node, how: "node \(node) is lost.")
    case .vanished(let node, _): box.server?.declareLost(node, how: "node \(node) is lost.")
    case .abortRequested(let node, _):
      box.counts.aborted += 1
      box.server?.declareLost(node, how: "node \(node) ended the job.")
    case .outpostJoined(let outpost):
      box.counts.outposts += 1
      if box.keepsOutposts { box.outposts.append(outpost) }
    case .outpostSaid(let outpost, let said):
      box.counts.reports += 1
      if case .gone = said { outpost.order(.over(exitCode: 0)) }
      if case .failed = said { box.outposts.removeAll { $0 === outpost } }
    case .outpostClosed(let outpost, _): box.outposts.removeAll { $0 === outpost }
    case .joinTimedOut: break
    }
  }

  /// So many conversations, some at a time, cut and mixed as it comes.
  func run(_ count: Int) -> FuzzCounts {
    var begun = 0
    while begun < count || peers.contains(where: { !$0.hasSaidAll }) {
      if begun < count, peers.count < Self.livePeers {
        begun += 1
        begin()
      }
      if let index = peers.indices.randomElement(using: &random) { serve(index) }
      if random.percent(50) { turn() }
    }
    peers = []
    attached = []
    // All ends are seen, and those that follow from them.
    for _ in 0..<4 { turn() }
    return box.counts
  }

  private func turn() {
    loop.runOnce(withinMilliseconds: 0)
    guard let counts = server.entrance?.counts else { return }
    box.counts.greeted = counts.greeted
    box.counts.proven = counts.proven
    box.counts.said = counts.said
  }

  private func serve(_ index: Int) {
    let peer = peers[index]
    peer.speak(&random)
    guard peer.hasSaidAll, random.percent(70) else { return }
    peer.hear()
    peers.remove(at: index)
    note(peer)
    // An events channel, claimed or not, on which its node ends the job.
    if box.counts.admitted > 0, random.percent(40), let other = attached.randomElement(using: &random),
      !other.isOver
    {
      other.add([.say(RendezvousMessage.abort(code: 3).encoded())])
      peers.append(other)
    }
  }

  /// What the server has said to it.
  private func note(_ peer: FuzzPeer) {
    let answer = Array(RendezvousMessage(kind: .answer).encoded().prefix(8))
    let heard = peer.heard
    let isAnswered = heard.indices.contains { heard[$0...].starts(with: answer) }
    if attached.contains(where: { $0 === peer }) {
      if isAnswered { box.counts.attached += 1 } else { attached.removeAll { $0 === peer } }
    } else if isAnswered {
      box.counts.answered += 1
    }
    if attached.count > 12 { attached.removeFirst() }
  }

  private func begin() {
    var ends: [Int32] = [-1, -1]
    guard cbootstrap_event_pair(&ends) == 0 else { return }
    box.counts.conversations += 1
    guard let entrance = server.entrance, !random.percent(20) else {
      box.counts.local += 1
      peers.append(FuzzPeer(ends[1], secret: secret, script: random.localScript(nodeCount) + ending()))
      return server.receive(ends[0])
    }
    var greeting = Handshake.greeting(nonce: random.bytes(Handshake.nonceByteCount))
    if random.percent(25) { greeting = random.mutated(greeting) }
    let isProving = random.percent(75)
    var script: [FuzzPeer.Step] = [.say(greeting), .prove(isMutated: !isProving)]
    let token = random.percent(45) ? random.bytes(random.percent(95) ? 16 : random.below(40)) : nil
    let known = tokens.last.map { random.percent(85) ? $0 : random.one(of: tokens) }
    script += random.wish(attaching: token, claiming: known ?? random.bytes(16), nodeCount)
    if let token, isProving { tokens.append(token) }
    let peer = FuzzPeer(
      ends[1], secret: secret, greeting: Array(greeting.prefix(Handshake.greetingByteCount)),
      script: script + ending())
    peers.append(peer)
    if token != nil, isProving { attached.append(peer) }
    entrance.receive(ends[0])
  }

  private func ending() -> [FuzzPeer.Step] { random.percent(10) ? [.halfClose] : [] }
}
