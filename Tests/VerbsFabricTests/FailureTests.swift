import CFakeProvider
import Fabric
import Glibc
import Platform
import Testing
import Verbs

@testable import VerbsFabric

extension FakeFabric {
  /// Operations that end with an error: where it is reported, and that nobody waits for ever.
  @Suite(.serialized) struct Failures {
    @Test func aWrongKeyFailsTheFlightAndTheConnection() throws {
      try onFake {
        let job = try TestJob(3)
        let (near, far) = (job.nodes[0], job.nodes[2])
        var wrong = far.remote(0, as: near)
        wrong.key = 1
        let found = near.run(to: far) { batch in
          near.fabric.fetchAdd(&batch, at: far.remote(0, as: near), addend: 1, old: near.local(0))
          near.fabric.read(&batch, from: wrong, into: near.local(8), byteCount: 8)
          near.fabric.fetchAdd(&batch, at: far.remote(0, as: near), addend: 1, old: near.local(0))
        }
        #expect(found == failure(2, 10))
        #expect(far.word(0) == 1)
        // Later posts say why, and not that they were flushed; they are not posted at all.
        let before = cfake_doorbells()
        for _ in 0..<3 { #expect(read(near, far) == failure(2, 10)) }
        #expect(cfake_doorbells() == before)
        #expect(read(near, job.nodes[1]) == nil)
        #expect(read(near, near) == nil)
        #expect(read(far, near) == nil || read(far, near)?.status == 12)
      }
    }

    @Test func theFirstReasonStays() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        // The first request fails; what is posted before anybody looks is flushed.
        cfake_complete_next_with(12)
        for index in 0..<5 {
          var batch = near.fabric.open(1, lane: 0)
          near.fabric.read(&batch, from: far.remote(0, as: near), into: near.local(0), byteCount: 8)
          near.fabric.submit(batch, near.flight(index))
        }
        #expect((0..<5).map { near.land(near.flight($0)) } == Array(repeating: failure(1, 12), count: 5))
      }
    }

    @Test func aFailureInTheFirstPartOfALongBatchIsReported() throws {
      try onFake {
        let job = try TestJob(2, settings { $0.queueLength = 64 })
        let (near, far) = (job.nodes[0], job.nodes[1])
        cfake_complete_next_with(12)
        let found = near.run(to: far) { batch in
          for _ in 0..<300 {
            near.fabric.fetchAdd(&batch, at: far.remote(0, as: near), addend: 1, old: near.local(0))
          }
        }
        #expect(found == failure(1, 12))
        #expect(far.word(0) == 0)
        #expect(read(near, far) == failure(1, 12))
      }
    }

    @Test func oneLaneFailsAlone() throws {
      try onFake {
        let job = try TestJob(2, settings { $0.laneCount = 2 })
        let (near, far) = (job.nodes[0], job.nodes[1])
        cfake_complete_next_with(12)
        for lane in [0, 1] {
          let found = near.run(to: far, lane: lane) {
            near.fabric.read(&$0, from: far.remote(0, as: near), into: near.local(0), byteCount: 8)
          }
          #expect(found == (lane == 0 ? failure(1, 12) : nil))
        }
      }
    }

    /// A peer that has closed its ends: as one that died.
    @Test func aPeerThatIsGoneFailsTheFlight() throws {
      try onFake {
        let job = try TestJob(2, byAddress: false)
        job.nodes[1].endpoint.close()
        #expect(read(job.nodes[0], job.nodes[1]) == failure(1, 12))
      }
    }

    @Test func threadsThatPostWhileTheConnectionBreaksAllEnd() throws {
      try onFake {
        let job = try TestJob(2, settings { $0.queueLength = 16 })
        let (near, far) = (job.nodes[0], job.nodes[1])
        let outcomes = onThreads(4) { thread -> Int32 in
          for round in 0..<200 {
            if thread == 0 && round == 50 { cfake_complete_next_with(11) }
            var batch = near.fabric.open(1, lane: 0)
            for _ in 0..<10 {
              near.fabric.fetchAdd(
                &batch, at: far.remote(0, as: near), addend: 1, old: near.local(thread * 64))
            }
            near.fabric.submit(batch, near.flight(thread))
            if let failure = near.land(near.flight(thread)) { return failure.status }
          }
          return 0
        }
        // The others may have been through before.
        let statuses = try outcomes.map { try $0.get() }
        #expect(statuses.contains(11) && statuses.allSatisfy { $0 == 11 || $0 == 0 })
      }
    }
  }
}
