import CFakeProvider
import Fabric
import Glibc
import Testing

@testable import VerbsFabric

extension FakeFabric {
  /// The operations of the contract, one by one.
  @Suite(.serialized) struct Operations {
    @Test(arguments: [true, false]) func writesInlineAndLong(byAddress: Bool) throws {
      try onFake {
        let job = try TestJob(2, byAddress: byAddress)
        let (near, far) = (job.nodes[0], job.nodes[1])
        #expect(near.fabric.inlineLimit == 128)
        for count in [1, 8, 128, 129, 4096] {
          near.local(0).initializeMemory(as: UInt8.self, repeating: UInt8(count & 255), count: count)
          far.local(0).initializeMemory(as: UInt8.self, repeating: 0xEE, count: count + 1)
          let failure = near.run(to: far) {
            near.fabric.write(&$0, from: near.local(0), byteCount: count, to: far.remote(0, as: near))
          }
          #expect(failure == nil)
          #expect(memcmp(near.local(0), far.local(0), count) == 0)
          #expect(far.local(count).load(as: UInt8.self) == 0xEE)
        }
      }
    }

    /// Up to the limit the source may lie anywhere and is free at once; READ wants registered memory.
    @Test func inlineSourcesLieAnywhere() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        let source = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 8)
        defer { source.deallocate() }
        source.initializeMemory(as: UInt8.self, repeating: 7, count: 128)
        var batch = near.fabric.open(1, lane: 0)
        near.fabric.write(&batch, from: source, byteCount: 128, to: far.remote(0, as: near))
        near.fabric.submit(batch, near.flight())
        source.initializeMemory(as: UInt8.self, repeating: 8, count: 128)
        #expect(near.land(near.flight()) == nil)
        #expect(far.local(127).load(as: UInt8.self) == 7)
      }
    }

    /// A release unlocks a page with its short diffs gathered and not posted yet: the application writes on.
    @Test(arguments: [1, 8, 128]) func inlineSourcesAreFreeBeforeTheDoorbell(_ byteCount: Int) throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        let source = near.local(1024)
        // More than a batch's slots, so that some go in a part of their own.
        let failure = near.run(to: far) { batch in
          for index in 0..<100 {
            source.initializeMemory(as: UInt8.self, repeating: UInt8(index), count: byteCount)
            near.fabric.write(
              &batch, from: source, byteCount: byteCount, to: far.remote(index * 128, as: near))
            source.initializeMemory(as: UInt8.self, repeating: 0xEE, count: byteCount)
          }
        }
        #expect(failure == nil)
        for index in 0..<100 {
          #expect(far.local(index * 128).load(as: UInt8.self) == UInt8(index))
          #expect(far.local(index * 128 + byteCount - 1).load(as: UInt8.self) == UInt8(index))
        }
      }
    }

    @Test func atomicsReturnTheValueBefore() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        far.local(0).storeBytes(of: 40, as: UInt64.self)
        near.local(32).storeBytes(of: 11, as: UInt64.self)
        let word = far.remote(0, as: near)
        let failure = near.run(to: far) {
          near.fabric.fetchAdd(&$0, at: word, addend: 2, old: near.local(0))
          near.fabric.compareAndSwap(&$0, at: word, expected: 42, desired: 7, old: near.local(8))
          near.fabric.compareAndSwap(&$0, at: word, expected: 42, desired: 9, old: near.local(16))
          near.fabric.read(&$0, from: word, into: near.local(24), byteCount: 8)
          near.fabric.write(&$0, from: near.local(32), byteCount: 8, to: word)
        }
        #expect(failure == nil)
        #expect((0..<4).map { near.word($0 * 8) } == [40, 42, 7, 7])
        #expect(far.word(0) == 11)
      }
    }

    @Test func atomicsOnOwnMemoryGoThroughTheDevice() throws {
      try onFake {
        let job = try TestJob(1)
        let node = job.nodes[0]
        let before = cfake_doorbells()
        let failure = node.run(to: node) {
          node.fabric.fetchAdd(&$0, at: node.remote(0, as: node), addend: 5, old: node.local(8))
        }
        #expect(failure == nil && node.word(0) == 5 && node.word(8) == 0)
        #expect(cfake_doorbells() == before + 1)
      }
    }

    @Test func aBatchIsOneDoorbellAndOneReport() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        let (doorbells, reports) = (cfake_doorbells(), cfake_reports())
        let failure = near.run(to: far) { batch in
          for index in 0..<64 {
            near.fabric.write(
              &batch, from: near.local(0), byteCount: 8, to: far.remote(index * 8, as: near))
          }
        }
        #expect(failure == nil)
        #expect(cfake_doorbells() == doorbells + 1)
        #expect(cfake_reports() == reports + 1)
      }
    }

    @Test func anEmptyBatchIsNothing() throws {
      try onFake {
        let node = try TestJob(1).nodes[0]
        let before = cfake_doorbells()
        #expect(node.run(to: node) { _ in } == nil)
        #expect(cfake_doorbells() == before)
        // The lock was given back.
        #expect(node.run(to: node) { _ in } == nil)
      }
    }

    @Test func aFlightCountsItsBatches() throws {
      try onFake {
        let job = try TestJob(3)
        let near = job.nodes[0]
        let flight = near.flight(3)
        for peer in 0..<3 {
          var batch = near.fabric.open(NodeID(peer), lane: 0)
          near.fabric.fetchAdd(
            &batch, at: job.nodes[peer].remote(0, as: near), addend: 1, old: near.local(64 + peer * 8))
          near.fabric.submit(batch, flight)
          #expect(flight.pending.load() == UInt64(peer + 1))
        }
        // The results are there before the count goes down, not before the poll.
        #expect(near.land(flight) == nil && flight.pending.load() == 0)
        #expect(job.nodes.allSatisfy { $0.word(0) == 1 })
      }
    }

    /// Ends of one flight do not touch another's count.
    @Test func flightsAreKeptApart() throws {
      try onFake {
        let job = try TestJob(2)
        let near = job.nodes[0]
        for index in 0..<40 {
          var batch = near.fabric.open(NodeID(index & 1), lane: 0)
          near.fabric.read(
            &batch, from: job.nodes[index & 1].remote(0, as: near), into: near.local(0), byteCount: 8)
          near.fabric.submit(batch, near.flight(index))
        }
        #expect((0..<40).allSatisfy { near.flight($0).pending.load() == 1 })
        // One look takes 16.
        near.fabric.poll()
        #expect((0..<40).count { near.flight($0).pending.load() == 0 } == 16)
        near.fabric.poll()
        near.fabric.poll()
        #expect((0..<40).allSatisfy { near.flight($0).pending.load() == 0 })
      }
    }
  }
}
