import Fabric
import Platform

/// One-sided communication whose order of events comes from a seed: see `Network` for what may happen
/// and what is checked. Breaking a rule of `Fabric` ends the run with a failure.
///
/// A copy is two words and holds no reference: the network outlives it.
public struct SimulatedFabric: Fabric, @unchecked Sendable {
  public let node: NodeID
  public let memory: NodeMemory
  let network: Unmanaged<Network>

  public struct Batch: BitwiseCopyable, Sendable {
    let connection: Int
  }

  @inline(__always)
  private func withNetwork<R, E: Error>(_ body: (Network) throws(E) -> R) throws(E) -> R {
    // The network is alive: whoever runs the simulation holds it until all threads have ended.
    try body(network.takeUnretainedValue())
  }

  public var nodeCount: Int { withNetwork { $0.shape.nodeCount } }
  public var laneCount: Int { withNetwork { $0.shape.laneCount } }
  public var inlineLimit: Int { withNetwork { $0.shape.inlineLimit } }

  public func controlMemory(of peer: NodeID) -> RemoteAddress {
    withNetwork {
      RemoteAddress(
        address: NetworkAddress(node: peer, isFrame: false).raw, key: $0.end(of: peer).controlKey)
    }
  }

  public func controlMapping(of peer: NodeID) -> UnsafeMutableRawPointer? {
    network._withUnsafeGuaranteedRef { $0.shape.isMapped ? $0.end(of: peer).memory.control : nil }
  }

  public func framesAddress(of peer: NodeID) -> UInt64 { NetworkAddress(node: peer, isFrame: true).raw }

  public func open(_ peer: NodeID, lane: Lane) -> Batch {
    withNetwork { Batch(connection: $0.open(node, peer, lane)) }
  }

  public func read(
    _ batch: inout Batch, from: RemoteAddress, into: UnsafeMutableRawPointer, byteCount: Int
  ) {
    withNetwork { $0.post(batch.connection, .read, from, into, byteCount) }
  }

  public func write(_ batch: inout Batch, from: UnsafeRawPointer, byteCount: Int, to: RemoteAddress) {
    withNetwork { $0.post(batch.connection, .write, to, UnsafeMutableRawPointer(mutating: from), byteCount) }
  }

  public func compareAndSwap(
    _ batch: inout Batch, at: RemoteAddress, expected: UInt64, desired: UInt64, old: UnsafeMutableRawPointer
  ) {
    withNetwork {
      $0.post(batch.connection, .compareAndSwap, at, old, 8, expected: expected, operand: desired)
    }
  }

  public func fetchAdd(
    _ batch: inout Batch, at: RemoteAddress, addend: UInt64, old: UnsafeMutableRawPointer
  ) {
    withNetwork { $0.post(batch.connection, .fetchAdd, at, old, 8, operand: addend) }
  }

  public func submit(_ batch: Batch, _ flight: Flight) {
    withNetwork { $0.submit(batch.connection, flight) }
  }

  public func poll() { withNetwork { $0.poll(node) } }

  public func registerChunkInPlace(_ chunk: Chunk) -> UInt32 {
    withNetwork { network in
      network.scheduler.point()
      return network.shape.registersInPlace ? network.register(chunk, of: node) : 0
    }
  }

  public func registerChunk(_ chunk: Chunk) throws(FabricFailure) -> UInt32 {
    withNetwork { network in
      network.scheduler.point()
      if network.end(of: node).chunkKeys[chunk.number] != 0 {
        network.scheduler.fail("Chunk \(chunk) of node \(node) is registered twice.")
      }
      let key = network.register(chunk, of: node)
      network.scheduler.point()
      return key
    }
  }

  public func deregisterChunk(_ chunk: Chunk) {
    withNetwork { network in
      network.scheduler.point()
      network.end(of: node).chunkKeys[chunk.number] = 0
      network.scheduler.point()
    }
  }
}

extension Network {
  /// The key of a chunk of `node`'s frames, a new one where it has none.
  func register(_ chunk: Chunk, of node: NodeID) -> UInt32 {
    if end(of: node).chunkKeys[chunk.number] == 0 {
      end(of: node).chunkKeys[chunk.number] = UInt32(truncatingIfNeeded: scheduler.random.next()) | 1
      scheduler.log("registers chunk \(chunk) of node \(node)")
    }
    return end(of: node).chunkKeys[chunk.number]
  }
}

extension Network {
  /// Whether the chunk that holds the frame of global byte `address` is registered on `node`.
  public func isRegistered(_ address: Int, of node: NodeID) -> Bool {
    end(of: node).chunkKeys[address / end(of: node).memory.chunkByteCount] != 0
  }
}

// What an observer sees who stands outside: no operation, no step.
extension Network {
  /// The byte at global address `address` in `node`'s frames.
  public func frameByte(_ address: Int, of node: NodeID) -> UInt8 {
    end(of: node).memory.frames.load(fromByteOffset: address, as: UInt8.self)
  }
}
