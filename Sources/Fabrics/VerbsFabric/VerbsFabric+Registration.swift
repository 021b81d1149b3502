import Fabric
import Verbs

/// A registered chunk of this node's frames; withdrawn at its end.
final class ChunkRegion: Sendable {
  private let region: MemoryRegion
  init(_ region: consuming MemoryRegion) { self.region = region }
  var localKey: UInt32 { region.localKey }
  var remoteKey: UInt32 { region.remoteKey }
}

extension VerbsFabric {
  /// Pins the chunk's memory and registers it. By the service thread.
  public func registerChunk(_ chunk: Chunk) throws(FabricFailure) -> UInt32 {
    // Lives: whoever uses the fabric holds its endpoint.
    let endpoint = owner.takeUnretainedValue()
    let chunkBytes = memory.chunkByteCount
    let bytes = UnsafeMutableRawBufferPointer(
      start: memory.frames + chunk.number * chunkBytes, count: chunkBytes)
    let region: ChunkRegion
    do throws(VerbsError) {
      region = ChunkRegion(try MemoryRegion(endpoint.domain, bytes, access: .all))
    } catch {
      throw FabricFailure(
        reason: .registrationFailed, peer: Int32(truncatingIfNeeded: node.number), status: error.code)
    }
    // Before the key is announced, which whoever uses the chunk has seen.
    table.chunkKey(chunk).pointee = region.localKey
    let remoteKey = region.remoteKey
    endpoint.hold(region, chunk)
    return remoteKey
  }

  /// Withdraws the registration and unpins the memory. Nobody has requests in flight to it.
  public func deregisterChunk(_ chunk: Chunk) {
    table.chunkKey(chunk).pointee = 0
    owner.takeUnretainedValue().release(chunk)
  }
}

extension VerbsEndpoint {
  func hold(_ region: ChunkRegion, _ chunk: Chunk) { chunks.withLock { $0[chunk] = region } }
  func release(_ chunk: Chunk) { _ = chunks.withLock { $0.removeValue(forKey: chunk) } }
}
