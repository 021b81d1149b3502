import CFakeProvider
import Glibc
import Testing
import Verbs

/// What one side of a connection needs beside its identifier.
struct Side: ~Copyable {
  let queue: CompletionQueue
  let region: MemoryRegion

  init(_ identifier: inout CommunicationIdentifier, _ devices: ConnectionManagerDevices) throws {
    let bound = devices.context(of: identifier)
    let context = try #require(bound, "the identifier has no device")
    let domain = try ProtectionDomain(context)
    let queue = try CompletionQueue(context, capacity: 16)
    try identifier.createQueuePair(domain, send: queue, receive: queue)
    region = try MemoryRegion(domain, allocating: 4096, access: .all)
    self.queue = queue
  }
}

/// An identifier that has resolved its way to a port of this host.
func resolved(_ channel: EventChannel, _ address: SocketAddress) throws -> CommunicationIdentifier {
  let identifier = try CommunicationIdentifier(channel)
  try identifier.resolveAddress(address, timeoutMilliseconds: 2000)
  _ = try channel.expect(.addressResolved, after: "rdma_resolve_addr", timeoutMilliseconds: 2000)
  try identifier.resolveRoute(timeoutMilliseconds: 2000)
  _ = try channel.expect(.routeResolved, after: "rdma_resolve_route", timeoutMilliseconds: 2000)
  return identifier
}

func listening(_ channel: EventChannel, host: String) throws -> CommunicationIdentifier {
  let listener = try CommunicationIdentifier(channel)
  try listener.bind(to: SocketAddress(host: host, port: 0))
  try listener.listen()
  return listener
}

/// Connects two identifiers of this process, moves bytes and counts both ways, and disconnects. For any
/// device.
func connectAndMove(host: String) throws {
  let devices = try ConnectionManagerDevices()
  let serverChannel = try EventChannel()
  let clientChannel = try EventChannel()
  let listener = try listening(serverChannel, host: host)
  let port = try listener.localAddress().port
  #expect(port != 0)

  var client = try resolved(clientChannel, SocketAddress(host: host, port: port))
  let near = try Side(&client, devices)
  var offer = ConnectionOffer()
  offer.readsAsInitiator = 4
  offer.readsAsTarget = 3
  offer.privateData = Array("who is there".utf8)
  try client.connect(offer)

  let request = try serverChannel.expect(.connectRequest, after: "rdma_listen", timeoutMilliseconds: 5000)
  let listenerID = listener.id
  let requestID = request.identifier
  #expect(requestID == listenerID)
  // InfiniBand pads private data with zeros.
  #expect(request.privateData.starts(with: Array("who is there".utf8)))
  #expect(request.readsWanted == 4 && request.readsServed == 3)
  var answer = ConnectionOffer(answering: request, limit: 2)
  guard var server = request.takeRequest() else {
    Issue.record("a connect request without an identifier")
    return
  }
  let far = try Side(&server, devices)
  far.region.bytes.storeBytes(of: 77, as: UInt64.self)
  answer.privateData = Array("me".utf8)
  try server.accept(answer)
  let accepted = try clientChannel.expect(.established, after: "rdma_connect", timeoutMilliseconds: 5000)
  #expect(accepted.privateData.starts(with: Array("me".utf8)))
  _ = try serverChannel.expect(.established, after: "rdma_accept", timeoutMilliseconds: 5000)
  let granted = try client.rawQueuePair?.attributes()
  #expect(granted?.state == .readyToSend && granted?.readsAsInitiator == 2)

  var batch = SendBatch(capacity: 2)
  batch.chain.fetchAdd(
    id: 1, at: far.region.remote(), addend: 1, old: near.region.local(offset: 0, byteCount: 8))
  batch.chain.read(
    id: 2, from: far.region.remote(), into: near.region.local(offset: 8, byteCount: 8), flags: .signaled)
  try client.post(batch)
  let ended = try waitForOne(near.queue)
  #expect(ended?.id == 2 && ended?.status == .success)
  #expect(near.region.bytes.load(as: UInt64.self) == 77)
  #expect(near.region.bytes.load(fromByteOffset: 8, as: UInt64.self) == 78)

  try client.disconnect()
  _ = try serverChannel.expect(.disconnected, after: "rdma_disconnect", timeoutMilliseconds: 5000)
  try client.close()
  try server.close()
  try listener.close()
}

/// The next completion, within five seconds.
func waitForOne(_ queue: CompletionQueue) throws -> WorkCompletion? {
  let deadline = ContinuousClock.now + .seconds(5)
  while ContinuousClock.now < deadline {
    if let completion = try queue.pollOne() { return completion }
    sched_yield()
  }
  return nil
}

extension FakeDevice {
  /// Connections by librdmacm.
  @Suite(.serialized) struct Connections {
    @Test func twoSidesConnectMoveAndPart() throws {
      try onFake { try connectAndMove(host: "192.0.2.1") }
    }

    @Test func nobodyListening() throws {
      try onFake {
        let channel = try EventChannel()
        let client = try resolved(channel, SocketAddress(host: "192.0.2.1", port: 9))
        try client.connect()
        do {
          _ = try channel.expect(.established, after: "rdma_connect", timeoutMilliseconds: 1000)
          Issue.record("connected to nobody")
        } catch let error as VerbsError {
          #expect(error.reason == .connection(event: .rejected, status: 8))
          #expect(error.description.contains("nothing listens at that address and port"))
        }
      }
    }

    @Test func aRejectionCarriesItsData() throws {
      try onFake {
        let channel = try EventChannel()
        let listener = try listening(channel, host: "192.0.2.1")
        let clientChannel = try EventChannel()
        let client = try resolved(clientChannel, try listener.localAddress())
        try client.connect()
        let request = try channel.expect(.connectRequest, after: "rdma_listen", timeoutMilliseconds: 1000)
        guard let refused = request.takeRequest() else {
          Issue.record("a connect request without an identifier")
          return
        }
        try refused.reject(privateData: [1, 2, 3])
        let event = try clientChannel.expect(.rejected, after: "rdma_connect", timeoutMilliseconds: 1000)
        #expect(event.privateData == [1, 2, 3])
      }
    }

    /// A request that nobody takes ends with its event, and the peer hears of it.
    @Test func aRequestThatIsNotTakenIsRefused() throws {
      try onFake {
        let channel = try EventChannel()
        let listener = try listening(channel, host: "192.0.2.1")
        let clientChannel = try EventChannel()
        let client = try resolved(clientChannel, try listener.localAddress())
        try client.connect()
        _ = try channel.expect(.connectRequest, after: "rdma_listen", timeoutMilliseconds: 1000)
        let event = try clientChannel.expect(.rejected, after: "rdma_connect", timeoutMilliseconds: 1000)
        let id = client.id
        #expect(event.identifier == id)
      }
    }

    @Test func silenceIsATimeout() throws {
      try onFake {
        let channel = try EventChannel()
        do {
          _ = try channel.expect(.established, after: "rdma_connect", timeoutMilliseconds: 10)
          Issue.record("an event came from nowhere")
        } catch let error as VerbsError {
          #expect(error.reason == .timedOut(milliseconds: 10))
        }
      }
    }

    @Test func objectsOfAnotherContextAreRefusedWithTheReason() throws {
      try onFake {
        let channel = try EventChannel()
        var client = try resolved(channel, SocketAddress(host: "192.0.2.1", port: 9))
        let other = try Device.named("fake0").open()
        let queue = try CompletionQueue(other, capacity: 4)
        do {
          try client.createQueuePair(try ProtectionDomain(other), send: queue, receive: queue)
          Issue.record("a queue pair of two contexts")
        } catch let error as VerbsError {
          #expect(
            error.code == EINVAL && error.description.contains("the context that the identifier was bound to")
          )
        }
        let batch = SendBatch(capacity: 1)
        do throws(PostError) {
          try client.post(batch)
          Issue.record("posted without a queue pair")
        } catch {
          #expect(error.code == ENOTCONN)
        }
      }
    }

    @Test func twoListenersAtOnePort() throws {
      try onFake {
        let channel = try EventChannel()
        let listener = try listening(channel, host: "192.0.2.1")
        let second = try CommunicationIdentifier(channel)
        try second.bind(to: try listener.localAddress())
        do throws(VerbsError) {
          try second.listen()
          Issue.record("two listen at one port")
        } catch {
          #expect(error.code == EADDRINUSE && error.description.contains("another process listens"))
        }
      }
    }
  }
}
