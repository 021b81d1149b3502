import CFakeProvider
import Fabric
import Glibc
import Platform
import Testing
import Verbs

@testable import VerbsFabric

extension FakeFabric {
  /// Requests that are refused before they are posted: they would break the whole connection.
  @Suite(.serialized) struct Refusals {
    @Test func anUnregisteredBufferIsRefusedAndNothingBreaks() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        let elsewhere = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 8)
        defer { elsewhere.deallocate() }
        let word = far.remote(0, as: near)
        // A chunk that is not registered is refused as memory of somebody else is.
        for buffer in [elsewhere, near.memory.memory.frames] {
          let before = cfake_doorbells()
          let attempts: [(inout VerbsBatch) -> Void] = [
            { near.fabric.read(&$0, from: word, into: buffer, byteCount: 8) },
            { near.fabric.write(&$0, from: buffer, byteCount: 129, to: word) },
            { near.fabric.fetchAdd(&$0, at: word, addend: 1, old: buffer) },
            { near.fabric.compareAndSwap(&$0, at: word, expected: 0, desired: 1, old: buffer) },
          ]
          for attempt in attempts {
            let found = near.run(to: far) { batch in
              near.fabric.fetchAdd(&batch, at: word, addend: 1, old: near.local(0))
              attempt(&batch)
              near.fabric.fetchAdd(&batch, at: word, addend: 1, old: near.local(0))
            }
            #expect(found == failure(1, 4))
          }
          // Nothing of such a batch is posted, and the connection is as before.
          #expect(cfake_doorbells() == before && far.word(0) == 0)
          #expect(read(near, far) == nil)
        }
      }
    }

    @Test func keyZeroIsRefusedAndNothingBreaks() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        let nowhere = RemoteAddress(address: far.remote(0, as: near).address, key: 0)
        let found = near.run(to: far) {
          near.fabric.write(&$0, from: near.local(0), byteCount: 8, to: nowhere)
        }
        #expect(found == failure(1, 10))
        #expect(read(near, far) == nil)
      }
    }

    /// What of a long batch was posted before the refusal has ended when the flight has: its buffers are
    /// free.
    @Test func aRefusalBehindAPartWaitsForThePart() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        let word = far.remote(0, as: near)
        let found = near.run(to: far) { batch in
          for _ in 0..<65 { near.fabric.fetchAdd(&batch, at: word, addend: 1, old: near.local(0)) }
          near.fabric.read(
            &batch, from: RemoteAddress(address: 0, key: 0), into: near.local(8), byteCount: 8)
        }
        #expect(found == failure(1, 10))
        #expect(far.word(0) == 64)
        let connection = near.fabric.table.connection(1)
        #expect(connection.posted.load() == 64 && connection.ended.load() == 64)
        #expect(read(near, far) == nil)
      }
    }
  }
}
