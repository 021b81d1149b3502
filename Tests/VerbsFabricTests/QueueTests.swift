import CFakeProvider
import Fabric
import Platform
import Testing

@testable import VerbsFabric

extension FakeFabric {
  /// Batches longer than the slots and than the send queue.
  @Suite(.serialized) struct Queues {
    /// Adds 1 to a word as often as `count` says, in one batch, with a READ at its end.
    private func count(_ near: TestNode, _ far: TestNode, _ count: Int) -> FabricFailure? {
      near.run(to: far) { batch in
        for _ in 0..<count {
          near.fabric.fetchAdd(&batch, at: far.remote(0, as: near), addend: 1, old: near.local(0))
        }
        near.fabric.read(&batch, from: far.remote(0, as: near), into: near.local(8), byteCount: 8)
      }
    }

    @Test(arguments: [16, 32, 64, 256, 1024], [1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1025, 5000])
    func batchesOfAnyLengthEnd(queueLength: Int, length: Int) throws {
      try onFake {
        let job = try TestJob(2, settings { $0.queueLength = queueLength })
        let (near, far) = (job.nodes[0], job.nodes[1])
        for round in 1...3 {
          #expect(count(near, far, length) == nil)
          #expect(near.word(8) == UInt64(round * length) && far.word(0) == near.word(8))
          #expect(near.word(0) == UInt64(round * length - 1))
        }
        let most = cfake_most_used()
        #expect(most <= queueLength, "\(most) were outstanding in a queue of \(queueLength)")
        #expect(most >= min(length + 1, queueLength, 64))
      }
    }

    /// Many short batches, none of them waited for: posting makes itself room.
    @Test func shortBatchesFillTheQueueAndNoMore() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        for index in 0..<2000 {
          var batch = near.fabric.open(1, lane: 0)
          for _ in 0..<3 {
            near.fabric.fetchAdd(&batch, at: far.remote(0, as: near), addend: 1, old: near.local(0))
          }
          near.fabric.submit(batch, near.flight(index % 10))
        }
        for index in 0..<10 { #expect(near.land(near.flight(index)) == nil) }
        #expect(far.word(0) == 6000)
        let most = cfake_most_used()
        #expect(most > 200 && most <= 256)
      }
    }

    /// The poster waits as long as nobody sees an end, and goes on when somebody does.
    @Test func aFullQueueWaitsForReports() throws {
      try onFake {
        let job = try TestJob(2, settings { $0.queueLength = 16 })
        let (near, far) = (job.nodes[0], job.nodes[1])
        cfake_hold_reports(1)
        let before = cfake_doorbells()
        let outcomes = onThreads(2) { thread in
          if thread == 0 { return count(near, far, 32) == nil }
          let deadline = ContinuousClock.now + .seconds(10)
          while cfake_doorbells() == before, ContinuousClock.now < deadline { Backoff.pauseOnce() }
          // Sixteen are posted and the seventeenth is not, however long one looks.
          for _ in 0..<100 { Backoff.pauseOnce() }
          let posted = near.fabric.table.connection(1).posted.load()
          cfake_hold_reports(0)
          return posted == 16
        }
        #expect(outcomes.count == 2 && outcomes.allSatisfy { (try? $0.get()) == true })
        #expect(far.word(0) == 32)
      }
    }

    /// Identifiers carry 32 bits of the place in the send queue: it goes on where they begin anew.
    @Test(arguments: [0xFFFF_FFF0, 0xFFFF_FFFF, 0x1_FFFF_FF80, UInt64.max - 40])
    func placesWrapAround(start: UInt64) throws {
      try onFake {
        let job = try TestJob(2, settings { $0.queueLength = 64 })
        let (near, far) = (job.nodes[0], job.nodes[1])
        let connection = near.fabric.table.connection(1)
        connection.posted.store(start)
        connection.ended.store(start)
        connection.writesEnd.store(start)
        for round in 1...20 {
          #expect(count(near, far, 40) == nil)
          #expect(far.word(0) == UInt64(round * 40))
          #expect(connection.ended.load() == start &+ UInt64(round * 41))
          #expect(connection.posted.load() == connection.ended.load())
        }
        #expect(cfake_most_used() <= 64)
      }
    }

    @Test func manyThreadsPostAndPollAtOnce() throws {
      try onFake {
        let job = try TestJob(2, settings { $0.laneCount = 2 })
        let (near, far) = (job.nodes[0], job.nodes[1])
        let (threads, rounds) = (4, 300)
        let outcomes = onThreads(threads) { thread -> UInt64 in
          // The last value that this thread found, which only grows.
          var last: UInt64 = 0
          let slot = 1024 + thread * 64
          for round in 0..<rounds {
            var batch = near.fabric.open(1, lane: Lane(round & 1))
            let word = far.remote(round & 1 == 0 ? 0 : 256, as: near)
            for _ in 0..<1 + (round + thread) % 5 {
              near.fabric.fetchAdd(&batch, at: word, addend: 1, old: near.local(slot))
            }
            near.fabric.submit(batch, near.flight(10 + thread))
            if let failure = near.land(near.flight(10 + thread)) { throw failure }
            if round & 1 == 0 {
              let found = near.word(slot)
              if round > 0, found <= last { throw FabricFailure(reason: .completionError, peer: -1) }
              last = found
            }
          }
          return last
        }
        var wanted: [UInt64] = [0, 0]
        for thread in 0..<threads {
          for round in 0..<rounds { wanted[round & 1] += UInt64(1 + (round + thread) % 5) }
        }
        #expect(outcomes.count == threads)
        for outcome in outcomes { #expect(throws: Never.self) { try outcome.get() } }
        #expect([far.word(0), far.word(256)] == wanted)
        #expect((0..<threads).allSatisfy { near.flight(10 + $0).pending.load() == 0 })
      }
    }
  }
}

extension Backoff {
  /// Lets the other threads run.
  static func pauseOnce() {
    var backoff = Backoff()
    backoff.wait(spins: 0)
  }
}
