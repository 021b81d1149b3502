import CBootstrap
import Glibc
import Testing

@testable import Bootstrap

/// The other side: nothing that whoever listens says stops a node, nor what looks after nodes on another
/// host.
@Suite(.serialized, .timeLimit(.minutes(4)))
struct AnswerFuzzTests {
  private struct Counts {
    var joined = 0
    var exchanged = 0
    var passed = 0
    var losses = 0
    var welcomed = 0
    var orders = 0
  }

  @Test func aNodeOutlivesItsLauncher() throws {
    let before = FuzzWatch.openFiles()
    var counts = Counts()
    for seed in FuzzWatch.seeds(0..<40) {
      var random = FuzzRandom(seed: seed)
      try FuzzWatch.run("the answers", seed: seed) {
        for _ in 0..<250 { try join(&random, &counts) }
      }
    }
    #expect(FuzzWatch.openFiles() == before, "descriptors are left")
    #expect(
      counts.joined > 2000 && counts.exchanged > 500 && counts.passed > 100 && counts.losses > 100,
      "\(counts)")
  }

  /// A launcher that has said everything already, and hears what it is asked.
  private func join(_ random: inout FuzzRandom, _ counts: inout Counts) throws {
    let nodeCount = 1 + random.below(4)
    let (calls, events) = (try pair(), try pair())
    defer { for end in [calls.1, events.1] { close(end) } }
    for message in script(&random, nodeCount) { say(message, calls.1, &random) }
    for _ in 0..<random.below(3) {
      let node = random.percent(70) ? random.below(nodeCount) : Int(Int32(truncatingIfNeeded: random.edge()))
      say(RendezvousMessage(.peerLost, BootstrapError(.peerLost, node: node, "gone.")), events.1, &random)
    }
    for end in [calls.1, events.1] { shutdown(end, Int32(SHUT_WR)) }
    let entry = RendezvousEntry(
      calls: CallChannel(proven: calls.0), events: events.0, passedEvents: nil,
      eventsToken: random.bytes(Hello.tokenByteCount), jobSecret: nil)
    let asked = random.percent(50) ? nodeCount : nil
    guard
      let link = try? LauncherLink(
        entry, node: nil, nodeCount: asked, timeoutMilliseconds: 100, patienceMilliseconds: 100)
    else { return }
    counts.joined += 1
    let job = Job(link)
    #expect(job.members.indices.contains(job.node) && job.members.count == job.nodeCount)
    if let parts = try? job.exchange([1, 2, 3]) {
      counts.exchanged += 1
      #expect(parts.count == job.nodeCount)
    }
    if let parts = try? job.exchangeDescriptors([STDIN_FILENO]) {
      counts.passed += 1
      #expect(parts.count == job.nodeCount && parts.allSatisfy { $0.count == 1 })
      for number in parts.joined() { close(number) }
    }
    try? job.barrier()
    while let event = job.handleEvent() {
      guard case .peerLost(let node, _) = event else { break }
      counts.losses += 1
      #expect((0..<job.nodeCount).contains(node))
    }
    try? job.leave()
  }

  private func script(_ random: inout FuzzRandom, _ nodeCount: Int) -> [RendezvousMessage] {
    let member = Member(
      processID: 1, hostName: "h", machine: random.percent(50) ? "m" : "n", programName: "p")
    let welcome = Welcome(
      secret: (1, 2), passesDescriptors: true, members: Array(repeating: member, count: nodeCount))
    let parts = (0..<nodeCount).map { _ in random.bytes(random.below(20)) }
    let files = (0..<nodeCount).map { _ in open("/dev/null", O_RDONLY | O_CLOEXEC) }
    return [
      .admitted(
        node: random.percent(95) ? random.below(nodeCount) : Int(Int32(truncatingIfNeeded: random.edge()))),
      welcome.message(), RendezvousMessage(kind: .answer, payload: Contributions.encode(parts)),
      RendezvousMessage(kind: .answer, descriptors: .owned(files)), RendezvousMessage(kind: .answer),
      RendezvousMessage(kind: .answer),
    ]
  }

  private func say(_ message: RendezvousMessage, _ socket: Int32, _ random: inout FuzzRandom) {
    guard random.percent(12) else {
      var writer = MessageWriter()
      writer.append(message)
      _ = try? writer.flush(to: socket, flags: MessageFlags.doNotWait)
      return
    }
    let bytes = random.mutated(message.encoded())
    _ = send(socket, bytes, bytes.count, MessageFlags.doNotWait | MessageFlags.noSignal)
  }

  private func pair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    try #require(cbootstrap_event_pair(&ends) == 0)
    return (ends[0], ends[1])
  }

  /// The handshake, from the joiner's side.
  @Test func aJoinerOutlivesWhoListens() throws {
    let secret = Array("sixteen bytes and more".utf8)
    let connecting = TCPConnecting(address: HostAndPort(host: "h", port: 1), secret: secret)
    for seed in FuzzWatch.seeds(0..<20) {
      var random = FuzzRandom(seed: seed)
      try FuzzWatch.run("the joiner", seed: seed) {
        for _ in 0..<250 {
          let ends = try pair()
          defer { for end in [ends.0, ends.1] { close(end) } }
          let challenge = Handshake.challenge(nonce: random.bytes(32), jobNonce: random.bytes(32))
          let bytes = random.mutated(challenge + random.bytes(Handshake.proofByteCount))
          _ = send(ends.1, bytes, bytes.count, MessageFlags.doNotWait | MessageFlags.noSignal)
          shutdown(ends.1, Int32(SHUT_WR))
          #expect(throws: BootstrapError.self) { try connecting.prove(over: ends.0) }
        }
      }
    }
  }

  /// What an outpost takes for true has been looked at: it labels and starts by these numbers.
  @Test func anOutpostTakesNoWrongNumbers() {
    var counts = Counts()
    for seed in FuzzWatch.seeds(0..<20) {
      var random = FuzzRandom(seed: seed)
      FuzzWatch.run("the outpost", seed: seed) {
        for _ in 0..<1000 {
          let nodes = (0..<random.below(5)).map { _ in random.below(8) }.sorted()
          var message = OutpostWelcome(
            nodes: nodes, nodeCount: 1 + random.below(8), joinTimeoutMilliseconds: 60_000, fabric: "host"
          ).message()
          if random.percent(80) { message.payload = random.mutated(message.payload) }
          if let welcome = OutpostWelcome(message) {
            counts.welcomed += 1
            #expect((1...Job.maximumNodeCount).contains(welcome.nodeCount))
            #expect(welcome.nodes.allSatisfy { (0..<welcome.nodeCount).contains($0) })
            #expect(Set(welcome.nodes).count == welcome.nodes.count)
          }
          message = OutpostOrder.end(sentence: "s").message()
          message.payload = random.mutated(message.payload)
          if OutpostOrder(message) != nil { counts.orders += 1 }
        }
      }
    }
    #expect(counts.welcomed > 1000 && counts.orders > 1000, "\(counts)")
  }

  /// Texts that come from launchers.
  @Test func textsOfOtherLaunchers() throws {
    for seed in FuzzWatch.seeds(0..<20) {
      var random = FuzzRandom(seed: seed)
      try FuzzWatch.run("the texts", seed: seed) {
        let card = try RendezvousCard.fresh(addresses: [
          HostAndPort(host: "::1", port: 7), HostAndPort(host: "h", port: 8),
        ])
        let frame = PMIMessage("kvs-get-response", ["found": "TRUE", "value": "a;b"]).frame([
          "found", "value",
        ])
        for _ in 0..<200 {
          func spoilt(_ text: String) -> String {
            String(decoding: random.mutated(Array(text.utf8)), as: UTF8.self)
          }
          _ = RendezvousCard(spoilt(card.text))
          _ = PMIMessage(frame: spoilt(frame))
          _ = PMIMessage(line: spoilt("cmd=get_result rc=0 value=x"))
          _ = PMIValues.head(spoilt("12.merino1,@x"))
          _ = HostAndPort(spoilt("[::1]:7000"))
          _ = try? RendezvousAddress(spoilt("tcp:[::1]:7000"))
        }
      }
    }
  }
}
