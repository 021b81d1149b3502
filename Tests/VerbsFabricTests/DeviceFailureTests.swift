import CFakeProvider
import Fabric
import Glibc
import Platform
import Testing
import Verbs

@testable import VerbsFabric

extension FakeFabric {
  /// Posts and polls that fail, and devices.
  @Suite(.serialized) struct DeviceFailures {
    @Test(arguments: [0, 2, 9]) func aPostThatTheProviderRefusesFails(index: Int) throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        cfake_refuse_post_at(Int32(index))
        let found = near.run(to: far) { batch in
          for _ in 0..<10 {
            near.fabric.fetchAdd(&batch, at: far.remote(0, as: near), addend: 1, old: near.local(0))
          }
        }
        #expect(found == failure(1, -ENOMEM))
        #expect(far.word(0) == UInt64(index))
        #expect(read(near, far) == failure(1, -ENOMEM))
      }
    }

    @Test func whatWasInFlightBeforeARefusedPostStillEnds() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        var batch = near.fabric.open(1, lane: 0)
        near.fabric.read(&batch, from: far.remote(0, as: near), into: near.local(0), byteCount: 8)
        near.fabric.submit(batch, near.flight(1))
        cfake_refuse_post_at(0)
        #expect(read(near, far) == failure(1, -ENOMEM))
        #expect(near.land(near.flight(1)) == nil)
      }
    }

    @Test func aPollThatFailsEndsEverythingInFlight() throws {
      try onFake {
        let job = try TestJob(3)
        let near = job.nodes[0]
        cfake_hold_reports(1)
        for peer in 0..<3 {
          var batch = near.fabric.open(NodeID(peer), lane: 0)
          near.fabric.read(
            &batch, from: job.nodes[peer].remote(0, as: near), into: near.local(0), byteCount: 8)
          near.fabric.submit(batch, near.flight(peer))
        }
        near.fabric.poll()
        #expect(near.flight(0).pending.load() == 1)
        cfake_fail_next("ibv_poll_cq", 2)
        #expect((0..<3).map { near.land(near.flight($0)) } == (0..<3).map { failure($0, -EIO) })
        #expect(read(near, job.nodes[1]) == failure(1, -EIO))
        // Ends that are reported nevertheless are counted once.
        cfake_hold_reports(0)
        for _ in 0..<5 { near.fabric.poll() }
        #expect((0..<3).allSatisfy { near.flight($0).pending.load() == 0 })
      }
    }

    /// The fault is found between a thread's look at the connection and its post: the next look ends that
    /// one, too.
    @Test func aPostBehindThePollThatFailedEnds() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        cfake_hold_reports(1)
        cfake_fail_next("ibv_poll_cq", 2)
        near.fabric.poll()
        let connection = near.fabric.table.connection(1)
        // As that thread saw it.
        connection.failure.store(0)
        #expect(read(near, far) == failure(1, -EIO))
      }
    }

    /// A device that failed says so by an event and reports no ends any more.
    @Test(arguments: [(8, "device fatal error"), (0, "completion queue error")])
    func aDeviceThatFailsEndsEverythingInFlight(event: (type: Int32, name: String)) throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        cfake_hold_reports(1)
        var batch = near.fabric.open(1, lane: 0)
        near.fabric.read(&batch, from: far.remote(0, as: near), into: near.local(0), byteCount: 8)
        near.fabric.submit(batch, near.flight())
        cfake_raise_async(event.type, 1, 0)
        let sentences = near.endpoint.takeEvents()
        #expect(sentences.count >= 1 && sentences[0].contains(event.name))
        #expect(near.land(near.flight()) == failure(1, -EIO))
      }
    }

    @Test func otherEventsAreOnlyTold() throws {
      try onFake {
        let job = try TestJob(2)
        cfake_raise_async(10, 1, 0)
        let sentences = job.nodes[0].endpoint.takeEvents()
        #expect(sentences.first == "the device fake0 reports: port error (port 1)")
        #expect(read(job.nodes[0], job.nodes[1]) == nil)
      }
    }
  }
}
