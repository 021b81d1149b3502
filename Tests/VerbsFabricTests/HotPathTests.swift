import CFakeProvider
import Fabric
import Testing

@testable import VerbsFabric

extension FakeFabric {
  /// What runs in the page-fault handler allocates nothing.
  @Suite(.serialized, .enabled(if: cfake_counts_allocations() != 0, "a sanitizer's allocator is not counted"))
  struct HotPath {
    /// Allocations of `body` from its second round on: in the first the runtime looks up types once for the
    /// life of the process.
    private func allocations(_ body: (Int) -> Void) -> Int {
      var before = 0
      for round in 0...100 {
        if round == 1 { before = cfake_allocations() }
        body(round)
      }
      return cfake_allocations() - before
    }

    @Test func theCounterCounts() {
      let counted = allocations { _ in
        UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 8).deallocate()
      }
      #expect(counted == 100)
    }

    @Test func postingAndPollingAllocateNothing() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        let (fabric, flight, word, here) = (
          near.fabric, near.flight(), far.remote(0, as: near), near.local(0)
        )
        var landed = 0
        let counted = allocations { round in
          var batch = fabric.open(1, lane: 0)
          fabric.write(&batch, from: here, byteCount: 8, to: word)
          fabric.write(&batch, from: here, byteCount: 1024, to: word)
          fabric.read(&batch, from: word, into: here + 1024, byteCount: 1024)
          fabric.compareAndSwap(&batch, at: word, expected: 1, desired: 0, old: here + 2048)
          // More than the slots take.
          for _ in 0..<100 { fabric.fetchAdd(&batch, at: word, addend: 1, old: here + 2056) }
          fabric.submit(batch, flight)
          while flight.pending.load() != 0 { fabric.poll() }
          if flight.takeFailure() == nil { landed += 1 }
        }
        #expect(counted == 0)
        #expect(landed == 101)
      }
    }

    @Test func refusalsAndFailuresAllocateNothing() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        let (fabric, flight, word, here) = (
          near.fabric, near.flight(), far.remote(0, as: near), near.local(0)
        )
        var statuses = 0
        let counted = allocations { round in
          // Key 0, then a wrong one, which breaks the connection, then what comes behind that.
          var from = word
          from.key = round == 0 ? 0 : 1
          var batch = fabric.open(1, lane: 0)
          fabric.read(&batch, from: from, into: here, byteCount: 8)
          fabric.submit(batch, flight)
          while flight.pending.load() != 0 { fabric.poll() }
          statuses += Int(flight.takeFailure()?.status ?? 0)
        }
        #expect(counted == 0)
        #expect(statuses == 101 * 10)
      }
    }
  }
}
