import CFakeProvider
import Glibc
import Testing
import Verbs
import VerbsHotPath

extension FakeDevice {
  @Suite(.serialized) struct HotPath {
    @Test func theCounterCounts() {
      if cfake_counts_allocations() == 0 { return }
      let before = cfake_allocations()
      let made = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 8)
      #expect(cfake_allocations() > before)
      made.deallocate()
    }

    @Test(.enabled(if: cfake_counts_allocations() != 0, "a sanitizer's allocator is not counted"))
    func postingAndPollingAllocateNothing() throws {
      try onFake {
        let couple = try Couple()
        var batch = SendBatch(capacity: 4)
        var succeeded = 0
        var before = 0
        for round in 0...100 {
          // In the first round the runtime looks up types once for the life of the process.
          if round == 1 { before = cfake_allocations() }
          batch.chain.removeAll()
          batch.chain.write(
            id: 1, from: couple.near.local(offset: 0, byteCount: 8), to: couple.far.remote(), flags: .inline)
          batch.chain.read(
            id: 2, from: couple.far.remote(), into: couple.near.local(offset: 0, byteCount: 4096))
          batch.chain.compareAndSwap(
            id: 3, at: couple.far.remote(), expected: UInt64(round), desired: 1,
            old: couple.near.local(offset: 8, byteCount: 8))
          batch.chain.addToLast(.signaled)
          try couple.left.post(batch)
          if round < 16 {
            try couple.left.postReceive(id: 4, into: couple.near.local(offset: 0, byteCount: 8))
          }
          try couple.queue.poll { if $0.status == .success { succeeded += 1 } }
        }
        let allocated = cfake_allocations() - before
        #expect(succeeded == 101)
        #expect(allocated == 0)
      }
    }

    @Test func aRefusedPostAllocatesNothingEither() throws {
      if cfake_counts_allocations() == 0 { return }
      try onFake {
        let couple = try Couple()
        var batch = SendBatch(capacity: 1)
        batch.chain.read(id: 2, from: couple.far.remote(), into: couple.near.local(offset: 0, byteCount: 8))
        let handle = couple.left.rawQueuePair
        let raw = try #require(handle)
        var refused = 0
        var before = 0
        for round in 0...10 {
          if round == 1 { before = cfake_allocations() }
          cfake_refuse_post_at(0)
          // Not by `post`: the testing library hooks into throwing and boxes what is thrown.
          refused += Int(raw.post(batch.chain).code)
        }
        let allocated = cfake_allocations() - before
        #expect(allocated == 0)
        #expect(refused == 11 * Int(ENOMEM))
      }
    }

    @Test func theRawHandlesWorkWhereNoLockMayBeTaken() throws {
      try onFake {
        let couple = try Couple()
        couple.far.bytes.storeBytes(of: 20, as: UInt64.self)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 2 * SendChain.slotByteCount, alignment: 16)
        defer { memory.deallocate() }
        let handle = couple.left.rawQueuePair
        let raw = try #require(handle)
        let status = readWord(
          raw, couple.queue.raw, memory, from: couple.far.remote(),
          into: couple.near.local(offset: 0, byteCount: 8))
        #expect(status == 0)
        #expect(couple.near.bytes.load(as: UInt64.self) == 21)
      }
    }
  }
}
