import CPlatform
import Fabric
import Platform

/// The fabric of one machine: nodes are processes that map each other's memory. READ and WRITE are
/// copies that the posting thread makes, atomics are the CPU's, and everything has completed when
/// `submit` returns; no other process takes part.
///
/// **Order.** Every operation is executed before the call that gathers it returns. The loads and
/// stores of one connection keep their order by fences: acquire after a READ, release before a WRITE, a
/// full fence between a WRITE and the next READ or atomic, in this batch or (made by `submit`) the next.
///
/// **Mistakes.** A key that does not admit to the address is an assertion failure in a debug build; in
/// a release build nothing is copied and the flight fails with a status of `HostStatus`.
///
/// Trivially copyable: pointers and numbers over mappings that last until `close`. All members but
/// `close` may be called from any thread, those on the data path also from a signal handler.
@frozen
public struct HostFabric: Fabric, @unchecked Sendable {
  /// This node.
  public let node: NodeID
  /// Nodes of the job, this one included.
  public let nodeCount: Int
  /// This node's own memory, as it was given to `init`.
  public let memory: NodeMemory
  @usableFromInline let peers: UnsafeMutablePointer<HostPeer>
  @usableFromInline let chunkShift: UInt64
  @usableFromInline let chunkCount: UInt64

  /// `peers` has `nodeCount` entries, this node's own among them.
  init(node: NodeID, nodeCount: Int, memory: NodeMemory, peers: UnsafeMutablePointer<HostPeer>) {
    self.node = node
    self.nodeCount = nodeCount
    self.memory = memory
    self.peers = peers
    chunkShift = UInt64(memory.chunkByteCount.trailingZeroBitCount)
    chunkCount = UInt64(memory.framesByteCount / memory.chunkByteCount)
  }

  /// One: a copy gains nothing from a second connection.
  @inlinable public var laneCount: Int { 1 }
  /// No limit: every WRITE is copied when it is posted.
  @inlinable public var inlineLimit: Int { .max }

  /// Offset 0 of the peer's control memfd.
  @inlinable
  public func controlMemory(of peer: NodeID) -> RemoteAddress {
    RemoteAddress(address: 0, key: HostKey.control)
  }

  @inlinable
  public func controlMapping(of peer: NodeID) -> UnsafeMutableRawPointer? { peers[peer.number].control }

  /// 0: addresses of frames are offsets in the peer's frames memfd.
  @inlinable public func framesAddress(of peer: NodeID) -> UInt64 { 0 }

  /// Takes no lock. A `peer` that is no node of the job ends the process.
  @inlinable
  public func open(_ peer: NodeID, lane: Lane) -> HostBatch {
    precondition(peer >= 0 && peer.number < nodeCount, "no such node")
    assert(lane == 0, "no such connection")
    var batch = HostBatch(target: peers[peer.number], peer: Int32(truncatingIfNeeded: peer.number))
    // As where a connection gives up: nothing of the batch is executed.
    if isBatchRefused() { batch.status = HostStatus.unanswered }
    return batch
  }

  /// Copies at once. Aligned words of 8 bytes are never torn.
  @inlinable
  public func read(
    _ batch: inout HostBatch, from: RemoteAddress, into: UnsafeMutableRawPointer, byteCount: Int
  ) {
    guard let source = resolve(&batch, from, byteCount), isLocal(&batch, into, byteCount) else { return }
    batch.drainStores()
    copyWordsUntorn(to: into, from: source, byteCount: byteCount)
    acquireFence()
  }

  /// Copies at once. Aligned words of 8 bytes are never torn.
  @inlinable
  public func write(
    _ batch: inout HostBatch, from: UnsafeRawPointer, byteCount: Int, to: RemoteAddress
  ) {
    guard let target = resolve(&batch, to, byteCount) else { return }
    releaseFence()
    copyWordsUntorn(to: target, from: from, byteCount: byteCount)
    batch.owesFullFence = true
  }

  /// A CPU atomic: atomic against CPU instructions and WRITEs of words too, which nobody may rely on.
  @inlinable
  public func compareAndSwap(
    _ batch: inout HostBatch, at: RemoteAddress, expected: UInt64, desired: UInt64,
    old: UnsafeMutableRawPointer
  ) {
    guard let target = resolveWord(&batch, at, old) else { return }
    batch.drainStores()
    AtomicWord(old).storeRelaxed(AtomicWord(target).compareExchangeOld(expected, desired))
    batch.owesFullFence = HostFabric.atomicsOweFence
    acquireFence()
  }

  /// A CPU atomic, as `compareAndSwap`. Wraps around.
  @inlinable
  public func fetchAdd(
    _ batch: inout HostBatch, at: RemoteAddress, addend: UInt64, old: UnsafeMutableRawPointer
  ) {
    guard let target = resolveWord(&batch, at, old) else { return }
    batch.drainStores()
    AtomicWord(old).storeRelaxed(AtomicWord(target).fetchAdd(addend))
    batch.owesFullFence = HostFabric.atomicsOweFence
    acquireFence()
  }

  /// `flight.pending` stays as it is: what was gathered has completed, and there is no moment at
  /// which anybody could find it in flight.
  @inlinable
  public func submit(_ batch: HostBatch, _ flight: Flight) {
    var batch = batch
    batch.drainStores()
    if batch.status != 0 { flight.fail(batch.status, peer: NodeID(Int(batch.peer))) }
  }

  /// Nothing: no operation is ever pending.
  @inlinable public func poll() {}

  /// The chunk's key, never 0: the whole of the frames is mapped by everybody from joining on.
  @inlinable
  public func registerChunkInPlace(_ chunk: Chunk) -> UInt32 {
    precondition(chunk >= 0 && UInt64(chunk.number) < chunkCount, "no such chunk")
    return HostKey.firstChunk &+ UInt32(truncatingIfNeeded: chunk.number)
  }

  /// As `registerChunkInPlace`; never throws.
  @inlinable
  public func registerChunk(_ chunk: Chunk) throws(FabricFailure) -> UInt32 { registerChunkInPlace(chunk) }

  /// Nothing: the key stays good.
  @inlinable public func deregisterChunk(_ chunk: Chunk) {}

  /// A locked instruction of x86 is a full fence; elsewhere a later load may pass an atomic's store.
  @inlinable @inline(__always)
  static var atomicsOweFence: Bool {
    #if arch(x86_64)
      false
    #else
      true
    #endif
  }
}
