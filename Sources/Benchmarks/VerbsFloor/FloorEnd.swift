import BenchmarkSupport
import Glibc
import Verbs

/// Why the plain operations could not be measured.
public struct FloorFailure: Error, Sendable, CustomStringConvertible {
  /// A sentence.
  public let description: String

  /// A failure with its sentence.
  public init(_ description: String) { self.description = description }
}

/// One end of a reliable connection that belongs to the benchmark alone: what Merino is compared with. The
/// memory is in two halves; peers read and write the first, results of this end's operations land in the
/// second.
public final class FloorEnd {
  /// Send requests that may be posted and not reported.
  static let depth = 512
  /// Requests that go with one doorbell where there are many.
  static let chainLength = 256

  let identifier: CommunicationIdentifier
  private let resources: FloorResources
  /// The peer's first half.
  let remote: RemoteBuffer

  init(
    _ identifier: consuming CommunicationIdentifier, _ resources: FloorResources, remote: RemoteBuffer
  ) {
    self.identifier = identifier
    self.resources = resources
    self.remote = remote
  }

  /// The device, for the report.
  public var deviceName: String { resources.deviceName }
  /// Bytes of a half.
  var halfByteCount: Int { resources.halfByteCount }
  /// The memory that the peer reaches, both halves.
  var bytes: UnsafeMutableRawBufferPointer { resources.region.bytes }

  /// Data up to this length travels with the request.
  var inlineByteCount: Int { identifier.capacity?.inlineByteCount ?? 0 }

  /// Where the results of this end's operations land.
  func landing(offset: Int = 0, byteCount: Int) -> LocalBuffer {
    resources.region.local(offset: halfByteCount + offset, byteCount: byteCount)
  }

  /// Spins, as perftest does, until the next reported request has ended.
  func finish() throws {
    var completion = WorkCompletion()
    let deadline = Clock.now() + 10_000_000_000
    var polls = 0
    while true {
      let count = resources.queue.raw.poll(into: &completion, capacity: 1)
      if count > 0 {
        if let error = completion.error { throw error }
        return
      }
      polls += 1
      if count < 0 || polls & 0xFFFF == 0 && Clock.now() > deadline {
        throw FloorFailure("a plain operation on \(deviceName) has not ended within 10 s.")
      }
    }
  }
}

/// What an end needs beside its identifier, made of the identifier's device.
final class FloorResources {
  let queue: CompletionQueue
  let region: MemoryRegion
  let halfByteCount: Int
  let deviceName: String

  init(
    _ identifier: inout CommunicationIdentifier, _ devices: ConnectionManagerDevices, halfByteCount: Int
  ) throws {
    guard let context = devices.context(of: identifier) else {
      throw FloorFailure("the connection has no device.")
    }
    let domain = try ProtectionDomain(context)
    let queue = try CompletionQueue(context, capacity: 2 * FloorEnd.depth)
    let capacity = QueuePairCapacity(
      sendRequests: FloorEnd.depth, receiveRequests: 1, inlineByteCount: 64)
    try identifier.createQueuePair(domain, send: queue, receive: queue, capacity: capacity)
    region = try MemoryRegion(domain, allocating: 2 * halfByteCount, access: .all)
    self.queue = queue
    self.halfByteCount = halfByteCount
    deviceName = context.deviceName
  }

  /// What the peer is told: address and key, big-endian.
  var announcement: [UInt8] {
    let remote = region.remote()
    return withUnsafeBytes(of: (remote.address.bigEndian, remote.key.bigEndian)) { Array($0.prefix(12)) }
  }

  /// The peer's memory, as it announced it.
  static func remote(announced data: [UInt8]) throws(FloorFailure) -> RemoteBuffer {
    guard data.count >= 12 else { throw FloorFailure("the peer did not say where its memory is.") }
    let (address, key) = (data.prefix(8), data[8..<12])
    return RemoteBuffer(
      address: address.reduce(0) { $0 << 8 | UInt64($1) }, key: key.reduce(0) { $0 << 8 | UInt32($1) })
  }
}
