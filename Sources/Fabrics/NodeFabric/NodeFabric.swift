import Fabric
import HostFabric
import VerbsFabric

/// The fabric of this process: one of the two, chosen when the job was joined. Which of them is a branch
/// that always goes the same way, so the engine is one body of code that the compiler sees through, without
/// an existential on the fault path.
@frozen
public enum NodeFabric: Fabric {
  /// Nodes of one machine.
  case host(HostFabric)
  /// Nodes with RDMA devices.
  case verbs(VerbsFabric)

  @frozen
  public enum Batch: BitwiseCopyable {
    case host(HostBatch)
    case verbs(VerbsBatch)
  }

  /// "host" or "verbs".
  public var name: String {
    switch self {
    case .host: "host"
    case .verbs: "verbs"
    }
  }

  @inlinable @inline(__always)
  public var node: NodeID {
    switch self {
    case .host(let fabric): fabric.node
    case .verbs(let fabric): fabric.node
    }
  }

  @inlinable @inline(__always)
  public var nodeCount: Int {
    switch self {
    case .host(let fabric): fabric.nodeCount
    case .verbs(let fabric): fabric.nodeCount
    }
  }

  @inlinable @inline(__always)
  public var laneCount: Int {
    switch self {
    case .host(let fabric): fabric.laneCount
    case .verbs(let fabric): fabric.laneCount
    }
  }

  @inlinable @inline(__always)
  public var inlineLimit: Int {
    switch self {
    case .host(let fabric): fabric.inlineLimit
    case .verbs(let fabric): fabric.inlineLimit
    }
  }

  @inlinable @inline(__always)
  public var memory: NodeMemory {
    switch self {
    case .host(let fabric): fabric.memory
    case .verbs(let fabric): fabric.memory
    }
  }

  @inlinable @inline(__always)
  public func controlMemory(of peer: NodeID) -> RemoteAddress {
    switch self {
    case .host(let fabric): fabric.controlMemory(of: peer)
    case .verbs(let fabric): fabric.controlMemory(of: peer)
    }
  }

  @inlinable @inline(__always)
  public func controlMapping(of peer: NodeID) -> UnsafeMutableRawPointer? {
    switch self {
    case .host(let fabric): fabric.controlMapping(of: peer)
    case .verbs(let fabric): fabric.controlMapping(of: peer)
    }
  }

  @inlinable @inline(__always)
  public func framesAddress(of peer: NodeID) -> UInt64 {
    switch self {
    case .host(let fabric): fabric.framesAddress(of: peer)
    case .verbs(let fabric): fabric.framesAddress(of: peer)
    }
  }

  @inlinable
  public func poll() {
    switch self {
    case .host(let fabric): fabric.poll()
    case .verbs(let fabric): fabric.poll()
    }
  }

  @inlinable
  public func registerChunkInPlace(_ chunk: Chunk) -> UInt32 {
    switch self {
    case .host(let fabric): fabric.registerChunkInPlace(chunk)
    case .verbs(let fabric): fabric.registerChunkInPlace(chunk)
    }
  }

  public func registerChunk(_ chunk: Chunk) throws(FabricFailure) -> UInt32 {
    switch self {
    case .host(let fabric): return try fabric.registerChunk(chunk)
    case .verbs(let fabric): return try fabric.registerChunk(chunk)
    }
  }

  public func deregisterChunk(_ chunk: Chunk) {
    switch self {
    case .host(let fabric): fabric.deregisterChunk(chunk)
    case .verbs(let fabric): fabric.deregisterChunk(chunk)
    }
  }
}

// Batches. A batch is of the fabric that opened it; that of another does not exist in a process.

extension NodeFabric {
  /// Ends the process: an operation that is dropped looks to the engine like one that has ended.
  @inlinable
  func refuseForeignBatch() {
    precondition(false, "a batch that another fabric opened")
  }

  @inlinable
  public func open(_ peer: NodeID, lane: Lane) -> Batch {
    switch self {
    case .host(let fabric): .host(fabric.open(peer, lane: lane))
    case .verbs(let fabric): .verbs(fabric.open(peer, lane: lane))
    }
  }

  @inlinable
  public func read(
    _ batch: inout Batch, from: RemoteAddress, into: UnsafeMutableRawPointer, byteCount: Int
  ) {
    switch (self, batch) {
    case (.host(let fabric), .host(var its)):
      fabric.read(&its, from: from, into: into, byteCount: byteCount)
      batch = .host(its)
    case (.verbs(let fabric), .verbs(var its)):
      fabric.read(&its, from: from, into: into, byteCount: byteCount)
      batch = .verbs(its)
    case (.host, .verbs), (.verbs, .host): refuseForeignBatch()
    }
  }

  @inlinable
  public func write(_ batch: inout Batch, from: UnsafeRawPointer, byteCount: Int, to: RemoteAddress) {
    switch (self, batch) {
    case (.host(let fabric), .host(var its)):
      fabric.write(&its, from: from, byteCount: byteCount, to: to)
      batch = .host(its)
    case (.verbs(let fabric), .verbs(var its)):
      fabric.write(&its, from: from, byteCount: byteCount, to: to)
      batch = .verbs(its)
    case (.host, .verbs), (.verbs, .host): refuseForeignBatch()
    }
  }

  @inlinable
  public func compareAndSwap(
    _ batch: inout Batch, at: RemoteAddress, expected: UInt64, desired: UInt64, old: UnsafeMutableRawPointer
  ) {
    switch (self, batch) {
    case (.host(let fabric), .host(var its)):
      fabric.compareAndSwap(&its, at: at, expected: expected, desired: desired, old: old)
      batch = .host(its)
    case (.verbs(let fabric), .verbs(var its)):
      fabric.compareAndSwap(&its, at: at, expected: expected, desired: desired, old: old)
      batch = .verbs(its)
    case (.host, .verbs), (.verbs, .host): refuseForeignBatch()
    }
  }

  @inlinable
  public func fetchAdd(
    _ batch: inout Batch, at: RemoteAddress, addend: UInt64, old: UnsafeMutableRawPointer
  ) {
    switch (self, batch) {
    case (.host(let fabric), .host(var its)):
      fabric.fetchAdd(&its, at: at, addend: addend, old: old)
      batch = .host(its)
    case (.verbs(let fabric), .verbs(var its)):
      fabric.fetchAdd(&its, at: at, addend: addend, old: old)
      batch = .verbs(its)
    case (.host, .verbs), (.verbs, .host): refuseForeignBatch()
    }
  }

  @inlinable
  public func submit(_ batch: Batch, _ flight: Flight) {
    switch (self, batch) {
    case (.host(let fabric), .host(let its)): fabric.submit(its, flight)
    case (.verbs(let fabric), .verbs(let its)): fabric.submit(its, flight)
    case (.host, .verbs), (.verbs, .host): refuseForeignBatch()
    }
  }
}
