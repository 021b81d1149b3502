import Platform

public enum NodeKind {}
public enum LaneKind {}
public enum ChunkKind {}

/// A process of the job, `0 ..< nodeCount`.
public typealias NodeID = Ordinal<NodeKind>
public typealias NodeRange = OrdinalRange<NodeKind>
/// A connection of a pair of nodes, `0 ..< laneCount`.
public typealias Lane = Ordinal<LaneKind>
/// A chunk of a node's frames, the unit of registration.
public typealias Chunk = Ordinal<ChunkKind>

/// Remote memory as the one who owns it announced it: an address in the owner's terms and the key
/// that admits to it. Key 0 admits to nothing.
@frozen
public struct RemoteAddress: BitwiseCopyable, Sendable {
  public var address: UInt64
  public var key: UInt32

  @inlinable
  public init(address: UInt64, key: UInt32) {
    self.address = address
    self.key = key
  }

  @inlinable
  public func advanced(by bytes: Int) -> RemoteAddress {
    RemoteAddress(address: address &+ UInt64(truncatingIfNeeded: bytes), key: key)
  }
}

/// A posted operation that did not complete, or a job that ended while somebody waited.
/// Trivially copyable, so that throwing it allocates nothing; the sentence is made by whoever
/// reports it.
@frozen
public struct FabricFailure: Error, BitwiseCopyable, Sendable, Equatable {
  @frozen
  public enum Reason: UInt8, BitwiseCopyable, Sendable {
    /// The provider reported a completion with an error status.
    case completionError
    /// A peer left the job (died, or was ended) while this node needed it.
    case peerLost
    /// Memory could not be registered with the device.
    case registrationFailed
    /// A word that a peer keeps says what no node can have written; see `PeerWord`.
    case badWord
    /// Memory could not be registered in the middle of a release, an acquire or a barrier, which is half done
    /// now.
    case halfDone
  }

  // The order of the fields keeps it, and errors that hold it, within registers.
  /// Of a `badWord` what it says.
  public var value: UInt64 = 0
  /// The peer concerned, or -1; `launcher` where the launcher itself is gone.
  public var peer: Int32
  /// The provider's status, an errno of a registration, or an errno of a post that was refused, negated; of a
  /// `badWord` its `PeerWord`.
  public var status: Int32
  public var reason: Reason

  /// Stands for the launcher in `peer`: no node's number.
  @inlinable public static var launcher: Int32 { .max }

  @inlinable
  public init(reason: Reason, peer: Int32, status: Int32 = 0) {
    self.reason = reason
    self.peer = peer
    self.status = status
  }
}

/// What one-sided communication promises to the protocol. The providers are `HostFabric`,
/// `VerbsFabric` and, in tests, `SimulatedFabric`.
///
/// **Connections.** Between two nodes there are `laneCount` connections; a node also has them to
/// itself (loopback). Operations of one connection are executed at the target in the order in
/// which they were posted, with one freedom: what a READ returns may be newer than WRITEs and atomics posted
/// behind it, up to the next READ of the connection (InfiniBand executes a READ again whose answer was lost).
/// Nothing is promised between connections. Within one transfer the bytes come in any order, but aligned
/// words of 8 bytes are not torn where source, target and length are multiples of 8. A WRITE completed for
/// its poster may still be on its way into the target's memory until a later READ or atomic of the same
/// connection has completed.
///
/// **Local memory.** Buffers of READ, of atomics and of WRITEs longer than `inlineLimit` lie in
/// this node's control memory or in its frames (registered chunks). A WRITE up to `inlineLimit` is
/// copied by the call of `write` and may come from anywhere; a longer one reads its source until
/// it completes.
///
/// **Atomics** act on aligned 8-byte words and are atomic among the atomics that go through the
/// same target's fabric, not against CPU instructions nor against WRITEs.
///
/// **Use in a signal handler**: no member except `registerChunk` and `deregisterChunk` allocates or
/// takes a lock that application code could hold. `open` takes the connection's posting lock and
/// `submit` releases it, so a thread between the two has its signals blocked and opens no other batch.
public protocol Fabric: BitwiseCopyable, Sendable {
  /// Operations being gathered for one connection, to be posted by one doorbell.
  associatedtype Batch: BitwiseCopyable

  var node: NodeID { get }
  var nodeCount: Int { get }
  /// Connections per peer, 1...4.
  var laneCount: Int { get }
  /// WRITEs up to this many bytes are copied by `write`.
  var inlineLimit: Int { get }
  /// This node's memory that others reach.
  var memory: NodeMemory { get }

  /// Where `peer`'s control memory begins, in the terms of its owner.
  func controlMemory(of peer: NodeID) -> RemoteAddress

  /// Where `peer`'s control memory is mapped in this process: its words are loaded, stored and changed by
  /// instructions, which are atomic among the fabric's operations on them. `nil` where only operations reach
  /// it.
  func controlMapping(of peer: NodeID) -> UnsafeMutableRawPointer?

  /// Where `peer`'s frames begin, in the terms of its owner: the frame of global address `a` is at
  /// this plus `a`, under the key of its chunk.
  func framesAddress(of peer: NodeID) -> UInt64

  /// Begins a batch on the connection `lane` to `peer`.
  func open(_ peer: NodeID, lane: Lane) -> Batch
  func read(_ batch: inout Batch, from: RemoteAddress, into: UnsafeMutableRawPointer, byteCount: Int)
  func write(_ batch: inout Batch, from: UnsafeRawPointer, byteCount: Int, to: RemoteAddress)
  /// The word's value before goes to `old`.
  func compareAndSwap(
    _ batch: inout Batch, at: RemoteAddress, expected: UInt64, desired: UInt64,
    old: UnsafeMutableRawPointer)
  /// The word's value before goes to `old`.
  func fetchAdd(
    _ batch: inout Batch, at: RemoteAddress, addend: UInt64, old: UnsafeMutableRawPointer)
  /// Posts what the batch gathered; `flight` is pending until all of it has completed.
  func submit(_ batch: Batch, _ flight: Flight)

  /// One look for completions of this node's operations; never blocks. This thread has its signals blocked.
  /// Who waits for a word that another node will WRITE need not poll.
  func poll()

  /// Where a chunk of this node's frames can be registered at once and in a signal handler: its
  /// key. 0 where the service thread has to do it by `registerChunk`.
  func registerChunkInPlace(_ chunk: Chunk) -> UInt32
  /// Registers a chunk of this node's frames and returns its key, never 0. May allocate and block.
  func registerChunk(_ chunk: Chunk) throws(FabricFailure) -> UInt32
  /// Withdraws a chunk's registration; peers must have stopped using its key.
  func deregisterChunk(_ chunk: Chunk)
}

extension Ordinal where Kind == NodeKind {
  /// No node.
  @inlinable public static var none: NodeID { NodeID(-1) }
}
