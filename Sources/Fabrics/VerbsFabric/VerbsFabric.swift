import CPlatform
import Fabric
import Platform
import Verbs

/// The fabric over RDMA verbs: `laneCount` reliable connections to each node, this one included, and one
/// completion queue for all of them.
///
/// **Order.** A connection is one queue pair, which executes its requests at the target in the order in which
/// they were posted, but for one freedom of InfiniBand's: a READ may be executed again, later, where its
/// answer was lost, so what it returns may be newer than WRITEs and atomics posted behind it. `Fabric`
/// promises no more.
///
/// **Atomics** are the device's, also on this node's own memory: through the loopback connection.
///
/// **In a signal handler**: posting and polling are plain stores, a doorbell and the provider's own spin
/// locks. Whoever opens a batch or polls has its signals blocked, so no handler meets such a lock half-taken.
///
/// Trivially copyable: pointers and numbers over what `VerbsEndpoint` owns until it is closed.
@frozen
public struct VerbsFabric: Fabric, @unchecked Sendable {
  public let node: NodeID
  public let nodeCount: Int
  public let laneCount: Int
  public let inlineLimit: Int
  public let memory: NodeMemory
  @usableFromInline let table: FabricTable
  @usableFromInline let queue: RawCompletionQueue
  @usableFromInline let controlKey: UInt32
  @usableFromInline let chunkShift: UInt64
  /// `PortChoice.confusesAnswers`: atomics are posted when the WRITEs before them have ended.
  @usableFromInline let atomicsAwaitWrites: Bool
  /// Who holds the device's objects; lives until nobody uses the fabric any more.
  let owner: Unmanaged<VerbsEndpoint>

  init(_ parts: FabricParts, memory: NodeMemory, owner: VerbsEndpoint) {
    self.owner = Unmanaged.passUnretained(owner)
    node = parts.node
    nodeCount = parts.nodeCount
    laneCount = parts.laneCount
    inlineLimit = parts.inlineLimit
    self.memory = memory
    table = parts.table
    queue = parts.queue
    controlKey = parts.controlKey
    chunkShift = UInt64(memory.chunkByteCount.trailingZeroBitCount)
    atomicsAwaitWrites = parts.atomicsAwaitWrites
  }

  @inlinable
  public func controlMemory(of peer: NodeID) -> RemoteAddress { table.peer(peer).control }

  /// Another host's, or this one's behind its device.
  @inlinable public func controlMapping(of peer: NodeID) -> UnsafeMutableRawPointer? { nil }

  @inlinable
  public func framesAddress(of peer: NodeID) -> UInt64 { table.peer(peer).framesAddress }

  /// Takes the connection's posting lock. A `peer` or `lane` that does not exist ends the process.
  @inlinable
  public func open(_ peer: NodeID, lane: Lane) -> VerbsBatch {
    precondition(peer.isOne(of: nodeCount) && lane.isOne(of: laneCount), "no such connection")
    let number = peer.number &* laneCount &+ lane.number
    let connection = table.connection(number)
    var backoff = Backoff()
    // Acquire: pairs with the store in `submit`; slots and counts are as the last holder left them.
    while connection.lock.loadRelaxed() != 0 || !connection.lock.compareExchange(0, 1) { backoff.wait() }
    return VerbsBatch(connection, number: number, queueMask: table.queueMask)
  }

  @inlinable
  public func read(
    _ batch: inout VerbsBatch, from: RemoteAddress, into: UnsafeMutableRawPointer, byteCount: Int
  ) {
    guard prepare(&batch, from, into, byteCount) else { return }
    batch.chain.read(
      id: batch.nextID, from: RemoteBuffer(address: from.address, key: from.key),
      into: LocalBuffer(into, byteCount: byteCount, key: localKey(into)))
  }

  @inlinable
  public func write(
    _ batch: inout VerbsBatch, from: UnsafeRawPointer, byteCount: Int, to: RemoteAddress
  ) {
    let isInline = byteCount <= inlineLimit
    guard prepare(&batch, to, isInline ? nil : from, byteCount) else { return }
    var source = from
    if isInline {
      // The device copies when the doorbell rings, and until then the caller may have let the source go.
      let copy = batch.connection.copy(batch.chain.count, inlineLimit)
      cplatform_copy(copy, from, byteCount)
      source = UnsafeRawPointer(copy)
    }
    batch.chain.write(
      id: batch.nextID,
      from: LocalBuffer(source, byteCount: byteCount, key: isInline ? 0 : localKey(from)),
      to: RemoteBuffer(address: to.address, key: to.key), flags: isInline ? .inline : .none)
    batch.connection.noteWrite(behind: batch.chain.count)
  }

  /// 0: registering pins memory and allocates, which a signal handler cannot.
  @inlinable public func registerChunkInPlace(_ chunk: Chunk) -> UInt32 { 0 }

  /// The key of a local buffer; 0 where nothing is registered.
  @inlinable @inline(__always)
  func localKey(_ buffer: UnsafeRawPointer) -> UInt32 {
    let offset = UInt(bitPattern: buffer) &- UInt(bitPattern: memory.frames)
    if offset < UInt(memory.framesByteCount) {
      return table.chunkKey(Chunk(Int(offset >> UInt(chunkShift)))).pointee
    }
    let inControl = UInt(bitPattern: buffer) &- UInt(bitPattern: memory.control)
    return inControl < UInt(memory.controlByteCount) ? controlKey : 0
  }

  /// Makes room for a request. False where it is refused: an unregistered buffer or a missing key would
  /// break the whole connection, so they are not posted.
  @inlinable @inline(__always)
  func prepare(
    _ batch: inout VerbsBatch, _ remote: RemoteAddress, _ local: UnsafeRawPointer?, _ byteCount: Int
  ) -> Bool {
    if batch.status != 0 { return false }
    if remote.key == 0 {
      batch.status = Refusal.remoteAccess
      return false
    }
    if let local, localKey(local) == 0 {
      batch.status = Refusal.localProtection
      return false
    }
    if batch.chain.count == batch.chain.capacity { postPart(&batch) }
    return batch.status == 0
  }
}
