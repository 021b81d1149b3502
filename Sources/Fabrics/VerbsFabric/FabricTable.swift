import Fabric
import Glibc
import Platform
import Verbs

/// The memory behind a `VerbsFabric`: the connections' words, what the peers announced, the keys of this
/// node's chunks, and what polling needs. One private mapping, made when the fabric is made and kept until it
/// is closed.
@frozen
public struct FabricTable: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let connections: UnsafeMutableRawPointer
  @usableFromInline let chunkKeys: UnsafeMutableRawPointer
  /// Length of each send queue - 1; a power of two - 1.
  @usableFromInline let queueMask: UInt64
  let byteCount: Int

  /// Completions that one look takes at most.
  @inlinable static var pollCount: Int { 16 }
  /// What the peers announced lies behind the first page.
  @inlinable static var peersOffset: Int { 4096 }
  @inlinable static var completionsOffset: Int { 128 }

  // The first page of the table: words of the poller, each in a line of its own.
  @inlinable var pollLock: AtomicWord { AtomicWord(base) }
  /// Not 0 once the device has failed: nothing that is in flight will be reported any more.
  @inlinable var deviceFailure: AtomicWord { AtomicWord(base + 64) }
  @inlinable
  var completions: UnsafeMutablePointer<WorkCompletion> {
    // Zeroed memory is an empty completion; only the holder of `pollLock` uses it.
    (base + Self.completionsOffset).assumingMemoryBound(to: WorkCompletion.self)
  }

  @inlinable
  func connection(_ number: Int) -> VerbsConnection {
    VerbsConnection(connections + number &* VerbsConnection.byteCount)
  }

  @inlinable func peer(_ node: NodeID) -> PeerRecord {
    PeerRecord(base + Self.peersOffset + node.number &* PeerRecord.byteCount)
  }

  /// The key by which this node's own requests reach a chunk of its frames; 0 while it is not registered.
  @inlinable
  func chunkKey(_ chunk: Chunk) -> UnsafeMutablePointer<UInt32> {
    // Inside the mapping, which has a word for each chunk. A plain word: whoever uses a chunk has found its
    // announced key, which is stored after this one.
    (chunkKeys + chunk.number &* 4).assumingMemoryBound(to: UInt32.self)
  }

  /// Zeroed memory for so many connections, with the slots and records of each.
  ///
  /// - Throws: errno of mmap.
  init(
    nodeCount: Int, connectionCount: Int, chunkCount: Int, queueLength: Int, inlineByteCount: Int
  ) throws(VerbsFabricError) {
    var carving = Carving(from: Self.peersOffset + nodeCount * PeerRecord.byteCount)
    let connectionsOffset = carving.offset(connectionCount * VerbsConnection.byteCount)
    let keysOffset = carving.offset(chunkCount * 4)
    let slotsByteCount = (VerbsConnection.batchCapacity * SendChain.slotByteCount + 63) & ~63
    let slotsOffset = carving.offset(connectionCount * slotsByteCount)
    let recordsOffset = carving.offset(connectionCount * queueLength * VerbsConnection.recordByteCount)
    let copiesByteCount = VerbsConnection.batchCapacity * inlineByteCount
    let copiesOffset = carving.offset(connectionCount * copiesByteCount)
    byteCount = (carving.end + 4095) & ~4095
    guard
      let memory = mmap(
        nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      memory != MAP_FAILED
    else {
      throw .system(
        SystemError(attempt: "map \(byteCount) bytes for \(connectionCount) connections", call: "mmap"))
    }
    base = memory
    connections = memory + connectionsOffset
    chunkKeys = memory + keysOffset
    queueMask = UInt64(queueLength - 1)
    for number in 0..<connectionCount {
      let each = VerbsConnection(connections + number * VerbsConnection.byteCount)
      each.set(.slots, memory + slotsOffset + number * slotsByteCount)
      each.set(.records, memory + recordsOffset + number * queueLength * VerbsConnection.recordByteCount)
      each.set(.copies, memory + copiesOffset + number * copiesByteCount)
    }
  }

  /// Before the fabric is used.
  func setPair(_ pair: RawQueuePair, connection number: Int) {
    connection(number).set(.pair, UnsafeMutableRawPointer(pair.pointer))
  }

  func unmap() { munmap(base, byteCount) }
}

/// What a peer has announced. Written once, before the fabric is used.
@frozen @usableFromInline
struct PeerRecord: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable init(_ base: UnsafeMutableRawPointer) { self.base = base }

  @inlinable static var byteCount: Int { 24 }

  @frozen @usableFromInline
  enum Field: Int {
    case controlAddress = 0
    case framesAddress = 8
    case controlKey = 16
  }

  @inlinable func load(_ field: Field) -> UInt64 {
    base.load(fromByteOffset: field.rawValue, as: UInt64.self)
  }
  func set(_ field: Field, _ value: UInt64) {
    base.storeBytes(of: value, toByteOffset: field.rawValue, as: UInt64.self)
  }

  /// Where the peer's control memory begins.
  @inlinable
  var control: RemoteAddress {
    RemoteAddress(address: load(.controlAddress), key: UInt32(truncatingIfNeeded: load(.controlKey)))
  }

  /// The address of its frames.
  @inlinable var framesAddress: UInt64 { load(.framesAddress) }

  func set(control: RemoteAddress, framesAddress: UInt64) {
    set(.controlAddress, control.address)
    set(.controlKey, UInt64(control.key))
    set(.framesAddress, framesAddress)
  }
}

/// What a `VerbsFabric` is made of, beside the node's memory.
struct FabricParts {
  var node: NodeID
  var nodeCount: Int
  var laneCount: Int
  var inlineLimit: Int
  var table: FabricTable
  var queue: RawCompletionQueue
  var controlKey: UInt32
  var atomicsAwaitWrites: Bool
}
