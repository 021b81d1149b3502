// Ping over verbs: the server lends 8 KiB of memory, the client writes, reads and counts in it while the server's
// processor sleeps.
//
//   VerbsPing server [PORT]
//   VerbsPing client HOST [PORT] [ITERATIONS]
import Glibc
import Verbs

let byteCount = 8192
let timeoutMilliseconds = 5000

/// What a side needs beside its identifier: all of it of the device that the identifier was bound to.
struct Resources: ~Copyable {
  let queue: CompletionQueue
  let region: MemoryRegion

  init(_ identifier: inout CommunicationIdentifier, _ devices: ConnectionManagerDevices) throws {
    guard let context = devices.context(of: identifier) else { fatalError("the identifier has no device") }
    let domain = try ProtectionDomain(context)
    let queue = try CompletionQueue(context, capacity: 64)
    try identifier.createQueuePair(domain, send: queue, receive: queue)
    region = try MemoryRegion(domain, allocating: byteCount, access: .all)
    self.queue = queue
  }
}

func serve(port: Int) throws {
  let devices = try ConnectionManagerDevices()
  let channel = try EventChannel()
  let listener = try CommunicationIdentifier(channel)
  try listener.bind(to: SocketAddress(host: nil, port: port))
  try listener.listen()
  print("listening at port \(try listener.localAddress().port)")

  let event = try channel.expect(.connectRequest, after: "rdma_listen", timeoutMilliseconds: -1)
  var offer = ConnectionOffer(answering: event, limit: 16)
  guard var peer = event.takeRequest() else { return }
  let resources = try Resources(&peer, devices)
  // The client learns from the private data where the memory is and which key admits to it.
  let remote = resources.region.remote()
  offer.privateData = withUnsafeBytes(of: (remote.address.bigEndian, remote.key.bigEndian)) {
    Array($0.prefix(12))
  }
  try peer.accept(offer)
  _ = try channel.expect(.established, after: "rdma_accept", timeoutMilliseconds: timeoutMilliseconds)
  _ = try channel.expect(.disconnected, after: "rdma_accept", timeoutMilliseconds: -1)
  print("the client counted to \(resources.region.bytes.load(fromByteOffset: 4096, as: UInt64.self))")
  try peer.close()
  try resources.region.close()
}

/// Spins until the one signalled request of a batch has ended.
func finish(_ queue: CompletionQueue) throws {
  while true {
    guard let completion = try queue.pollOne() else { continue }
    if let error = completion.error { throw error }
    return
  }
}

func ping(host: String, port: Int, iterations: Int) throws {
  let devices = try ConnectionManagerDevices()
  let channel = try EventChannel()
  var identifier = try CommunicationIdentifier(channel)
  try identifier.resolveAddress(
    SocketAddress(host: host, port: port), timeoutMilliseconds: timeoutMilliseconds)
  _ = try channel.expect(
    .addressResolved, after: "rdma_resolve_addr", timeoutMilliseconds: timeoutMilliseconds)
  try identifier.resolveRoute(timeoutMilliseconds: timeoutMilliseconds)
  _ = try channel.expect(
    .routeResolved, after: "rdma_resolve_route", timeoutMilliseconds: timeoutMilliseconds)
  let resources = try Resources(&identifier, devices)
  try identifier.connect()
  let answer = try channel.expect(
    .established, after: "rdma_connect", timeoutMilliseconds: timeoutMilliseconds)
  let remote = answer.privateData.withUnsafeBytes { data in
    RemoteBuffer(
      address: UInt64(bigEndian: data.loadUnaligned(as: UInt64.self)),
      key: UInt32(bigEndian: data.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
  }

  // One doorbell: a WRITE, a READ behind it, and a count. Only the last is reported, and it ends after the others.
  let region = resources.region.bytes
  var batch = SendBatch(capacity: 3)
  batch.chain.write(id: 1, from: resources.region.local(offset: 0, byteCount: 2048), to: remote)
  batch.chain.read(id: 2, from: remote, into: resources.region.local(offset: 2048, byteCount: 2048))
  batch.chain.fetchAdd(
    id: 3, at: remote.advanced(by: 4096), addend: 1, old: resources.region.local(offset: 4096, byteCount: 8),
    flags: .signaled)
  let began = now()
  for iteration in 0..<iterations {
    region.storeBytes(of: UInt64(iteration), as: UInt64.self)
    try identifier.post(batch)
    try finish(resources.queue)
    let read = region.load(fromByteOffset: 2048, as: UInt64.self)
    let old = region.load(fromByteOffset: 4096, as: UInt64.self)
    guard read == UInt64(iteration), old == UInt64(iteration) else { fatalError("wrong data") }
  }
  let each = (now() - began) / UInt64(max(iterations, 1))
  print("\(iterations) times WRITE, READ and fetch-and-add in one doorbell: \(each) ns each")
  try identifier.disconnect()
  try identifier.close()
  try resources.region.close()
}

func now() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

let arguments = CommandLine.arguments
do {
  switch arguments.dropFirst().first {
  case "server": try serve(port: arguments.count > 2 ? Int(arguments[2]) ?? 7471 : 7471)
  case "client" where arguments.count > 2:
    try ping(
      host: arguments[2], port: arguments.count > 3 ? Int(arguments[3]) ?? 7471 : 7471,
      iterations: arguments.count > 4 ? Int(arguments[4]) ?? 1000 : 1000)
  default: print("usage: VerbsPing server [PORT] | VerbsPing client HOST [PORT] [ITERATIONS]")
  }
} catch {
  let text = "VerbsPing: \(error)\n"
  _ = write(2, text, text.utf8.count)
  exit(1)
}
