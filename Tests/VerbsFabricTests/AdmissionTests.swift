import CFakeProvider
import Fabric
import Testing
import Verbs

@testable import VerbsFabric

extension FakeFabric {
  /// Who gets connected, and who does not.
  @Suite(.serialized) struct Admission {
    /// A stranger that asks node 0 of a job for a connection, before the job's own nodes do.
    private func joining(
      past greetings: [[UInt8]], _ body: (_ refusals: [String], _ answers: [ConnectionEvent.Kind?]) -> Void
    ) throws {
      try onFake {
        let memory = TestMemory()
        let endpoint = try TestJob.endpoint(0, of: 1, memory)
        let invitation = endpoint.invitation
        let address = try SocketAddress(
          host: String(decoding: invitation[2...], as: UTF8.self),
          port: Int(invitation[0]) | Int(invitation[1]) << 8)
        let channel = try EventChannel()
        var strangers: [Stranger] = []
        for greeting in greetings { strangers.append(try Stranger(channel, address, greeting)) }
        let refusals = try endpoint.connect([invitation], timeoutMilliseconds: 5000)
        body(refusals, try greetings.map { _ in try channel.next(timeoutMilliseconds: 100)?.kind })
        // The job is whole nevertheless.
        let fabric = try endpoint.fabric([endpoint.keys])
        let node = TestNode(endpoint: endpoint, fabric: fabric, refusals: refusals, memory: memory)
        #expect(read(node, node) == nil)
        withExtendedLifetime(strangers) {}
      }
    }

    private final class Stranger {
      let identifier: CommunicationIdentifier
      init(_ channel: EventChannel, _ address: SocketAddress, _ greeting: [UInt8]) throws {
        let identifier = try CommunicationIdentifier(channel)
        try identifier.resolveAddress(address, timeoutMilliseconds: 1000)
        _ = try channel.expect(.addressResolved, after: "rdma_resolve_addr", timeoutMilliseconds: 1000)
        try identifier.resolveRoute(timeoutMilliseconds: 1000)
        _ = try channel.expect(.routeResolved, after: "rdma_resolve_route", timeoutMilliseconds: 1000)
        var offer = ConnectionOffer()
        offer.privateData = greeting
        try identifier.connect(offer)
        self.identifier = identifier
      }
    }

    private func greeting(
      _ secret: (UInt64, UInt64) = TestJob.secret, node: NodeID = 0, lane: Lane = 0
    ) -> [UInt8] {
      Greeting(secret: secret).offer(VerbsSettings(), node: node, lane: lane).privateData
    }

    @Test func aStrangerIsRejectedAndReported() throws {
      try joining(past: [[]]) { refusals, answers in
        #expect(refusals.count == 1 && refusals[0].contains("did not show the job's secret"))
        #expect(answers == [.rejected])
      }
    }

    /// One bit is enough, in the first byte of the secret or in the last.
    @Test(arguments: [4, 11, 12, 19]) func aWrongSecretIsRejected(byte: Int) throws {
      var wrong = greeting()
      wrong[byte] ^= 0x80
      try joining(past: [wrong]) { refusals, answers in
        #expect(refusals.count == 1 && refusals[0].contains("did not show the job's secret"))
        #expect(answers == [.rejected])
      }
    }

    @Test func aShortGreetingIsRejected() throws {
      try joining(past: [Array(greeting().dropLast())]) { refusals, answers in
        #expect(refusals.count == 1 && answers == [.rejected])
      }
    }

    /// Nodes and lanes that the job does not have, though the secret is right.
    @Test func nobodyElseIsAwaited() throws {
      try joining(past: [greeting(node: 1), greeting(lane: 1), greeting(node: -1)]) { refusals, answers in
        #expect(refusals.count == 3 && refusals.allSatisfy { $0.contains("nobody awaits") })
        #expect(answers == [.rejected, .rejected, .rejected])
      }
    }

    /// Whoever overheard a greeting and comes second gets nothing. (The first one takes the place: it has the
    /// secret.)
    @Test func aRepeatedGreetingIsRejected() throws {
      try onFake {
        let memories = [TestMemory(), TestMemory()]
        let endpoints = try (0..<2).map { try TestJob.endpoint($0, of: 2, memories[$0]) }
        let invitations = endpoints.map(\.invitation)
        let address = try SocketAddress(
          host: "192.0.2.1", port: Int(invitations[0][0]) | Int(invitations[0][1]) << 8)
        let channel = try EventChannel()
        let first = try Stranger(channel, address, greeting(node: 1))
        let second = try Stranger(channel, address, greeting(node: 1))
        // Both ends of the loopback and the first one's connection: nothing is missing.
        let refusals = try endpoints[0].connect(invitations, timeoutMilliseconds: 5000)
        #expect(refusals.count == 1 && refusals[0].contains("nobody awaits, or has already"))
        var answers: [CommunicationIdentifier.ID: ConnectionEvent.Kind] = [:]
        for _ in 0..<2 {
          guard let event = try channel.next(timeoutMilliseconds: 100) else { break }
          answers[event.identifier] = event.kind
        }
        #expect(answers == [first.identifier.id: .established, second.identifier.id: .rejected])
        withExtendedLifetime((first, second)) {}
      }
    }

    @Test func noMoreThanAFewRefusalsAreKept() throws {
      try joining(past: Array(repeating: [], count: 40)) { refusals, answers in
        #expect(refusals.count == 16)
        #expect(answers.allSatisfy { $0 == .rejected })
      }
    }

    @Test func theGreetingCarriesWhoCalls() {
      let greeting = Greeting(secret: (1, 2))
      let data = greeting.offer(settings { $0.retryCount = 3 }, node: 70_000, lane: 3)
      #expect(data.retryCount == 3 && data.privateData.count == 26)
      // As InfiniBand pads it.
      let sender = greeting.sender(data.privateData + Array(repeating: 0, count: 30))
      #expect(sender?.node == 70_000 && sender?.lane == 3)
      #expect(Greeting(secret: (2, 1)).sender(data.privateData) == nil)
      #expect(Greeting(secret: (1, 3)).sender(data.privateData) == nil)
    }
  }
}
