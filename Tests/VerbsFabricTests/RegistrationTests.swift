import CFakeProvider
import Fabric
import Glibc
import Testing

@testable import VerbsFabric

extension FakeFabric {
  /// Chunks of the frames.
  @Suite(.serialized) struct Registration {
    private func frame(_ node: TestNode, _ offset: Int) -> UnsafeMutableRawPointer {
      node.memory.memory.frames + offset
    }

    @Test func aChunkIsReachedUnderItsKey() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        #expect(near.fabric.registerChunkInPlace(1) == 0)
        let bytes = TestMemory.chunkByteCount
        let keys = try (0..<TestMemory.chunkCount).map { try far.fabric.registerChunk(Chunk($0)) }
        #expect(Set(keys).count == keys.count && !keys.contains(0))
        _ = try near.fabric.registerChunk(2)
        for chunk in keys.indices {
          // The last bytes of each chunk, into the middle of one of this node's.
          let offset = chunk * bytes + bytes - 512
          frame(far, offset).initializeMemory(as: UInt8.self, repeating: UInt8(chunk + 1), count: 512)
          let from = RemoteAddress(
            address: near.fabric.framesAddress(of: 1) + UInt64(offset), key: keys[chunk])
          let failure = near.run(to: far) {
            near.fabric.read(&$0, from: from, into: frame(near, 2 * bytes + chunk * 512), byteCount: 512)
          }
          #expect(failure == nil)
          #expect(memcmp(frame(near, 2 * bytes + chunk * 512), frame(far, offset), 512) == 0)
        }
      }
    }

    @Test func aFailureCarriesTheErrno() throws {
      try onFake {
        let node = try TestJob(1).nodes[0]
        cfake_fail_next("ibv_reg_mr", ENOMEM)
        let error = #expect(throws: FabricFailure.self) { try node.fabric.registerChunk(0) }
        #expect(error == FabricFailure(reason: .registrationFailed, peer: 0, status: ENOMEM))
        #expect(node.fabric.localKey(frame(node, 0)) == 0)
        // The next one may go well.
        #expect(try node.fabric.registerChunk(0) != 0)
      }
    }

    @Test func aWithdrawnChunkAdmitsNobody() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        let live = cfake_live()
        let key = try far.fabric.registerChunk(3)
        #expect(
          cfake_live() == live + 1 && far.fabric.localKey(frame(far, 3 * TestMemory.chunkByteCount)) != 0)
        far.fabric.deregisterChunk(3)
        #expect(cfake_live() == live && far.fabric.localKey(frame(far, 3 * TestMemory.chunkByteCount)) == 0)
        let from = RemoteAddress(
          address: near.fabric.framesAddress(of: 1) + UInt64(3 * TestMemory.chunkByteCount), key: key)
        let failure = near.run(to: far) {
          near.fabric.read(&$0, from: from, into: near.local(0), byteCount: 8)
        }
        #expect(failure?.status == 10 && failure?.peer == 1)
        #expect(try far.fabric.registerChunk(3) != key)
      }
    }

    @Test func keysOfLocalBuffers() throws {
      try onFake {
        let node = try TestJob(1).nodes[0]
        let memory = node.memory.memory
        _ = try node.fabric.registerChunk(1)
        let inChunk = node.fabric.localKey(memory.frames + memory.chunkByteCount)
        #expect(inChunk != 0)
        #expect(node.fabric.localKey(memory.frames + 2 * memory.chunkByteCount - 1) == inChunk)
        #expect(node.fabric.localKey(memory.frames + memory.chunkByteCount - 1) == 0)
        #expect(node.fabric.localKey(memory.frames + 2 * memory.chunkByteCount) == 0)
        #expect(node.fabric.localKey(memory.frames + memory.framesByteCount) == 0)
        let inControl = node.fabric.localKey(memory.control)
        #expect(inControl != 0 && inControl != inChunk)
        #expect(node.fabric.localKey(memory.control + memory.controlByteCount - 1) == inControl)
        #expect(node.fabric.localKey(memory.control - 1) == 0)
      }
    }

    @Test func closingEndsAllRegistrations() throws {
      try onFake {
        let before = cfake_live()
        let job = try TestJob(1)
        for chunk in 0..<4 { _ = try job.nodes[0].fabric.registerChunk(Chunk(chunk)) }
        job.nodes[0].endpoint.close()
        job.nodes[0].endpoint.close()
        // The device, its domain and its queue live as long as the endpoint.
        #expect(cfake_live() < before + 10)
      }
    }
  }
}
