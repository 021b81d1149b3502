import CFakeProvider
import Fabric
import Platform
import Testing

@testable import VerbsFabric

extension FakeFabric {
  /// A device that confuses answers as Soft-RoCE does: an atomic gets no value while a WRITE before it has
  /// not ended.
  @Suite(.serialized) struct Answers {
    /// A vendor that makes devices.
    private static let vendor: UInt32 = 0x15B3
    private static let nothing: UInt64 = 0x6E6F_7468_696E_6721

    private func onConfusingFake(vendor: UInt32 = 0xFF_FFFF, _ body: () throws -> Void) throws {
      cfake_set_vendor(vendor)
      cfake_confuse_answers(1)
      defer {
        cfake_set_vendor(0)
        cfake_confuse_answers(0)
      }
      try onFake(body)
    }

    private func forgetValues(_ node: TestNode) {
      for offset in [0, 8] { node.local(offset).storeBytes(of: Self.nothing, as: UInt64.self) }
    }

    /// A WRITE and both atomics behind it, in one batch.
    private func writeAndAdd(_ near: TestNode, _ far: TestNode) -> FabricFailure? {
      near.run(to: far) { batch in
        near.fabric.write(&batch, from: near.local(64), byteCount: 8, to: far.remote(64, as: near))
        near.fabric.fetchAdd(&batch, at: far.remote(0, as: near), addend: 2, old: near.local(0))
        near.fabric.compareAndSwap(
          &batch, at: far.remote(8, as: near), expected: 0, desired: 5, old: near.local(8))
      }
    }

    @Test func onlySoftwareConfuses() throws {
      for (vendor, confuses) in [(0, true), (0xFF_FFFF, true), (Self.vendor, false)] {
        try onConfusingFake(vendor: vendor) {
          let choice = try PortChoice(VerbsSettings())
          #expect(choice.confusesAnswers == confuses)
        }
      }
    }

    @Test func valuesBehindWritesOfTheBatchArrive() throws {
      try onConfusingFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        for round in 0..<UInt64(600) {
          forgetValues(near)
          far.local(8).storeBytes(of: 0, as: UInt64.self)
          #expect(writeAndAdd(near, far) == nil)
          #expect(near.word(0) == 2 * round && near.word(8) == 0)
          #expect(far.word(0) == 2 * round + 2 && far.word(8) == 5)
        }
      }
    }

    /// The WRITE was another batch's, which nobody has waited for yet, on the same connection.
    @Test func valuesBehindWritesOfOthersArrive() throws {
      try onConfusingFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        forgetValues(near)
        var batch = near.fabric.open(1, lane: 0)
        near.fabric.write(&batch, from: near.local(64), byteCount: 8, to: far.remote(64, as: near))
        near.fabric.submit(batch, near.flight(1))
        let failure = near.run(to: far) {
          near.fabric.fetchAdd(&$0, at: far.remote(0, as: near), addend: 2, old: near.local(0))
        }
        #expect(failure == nil && near.word(0) == 0 && far.word(0) == 2)
        #expect(near.land(near.flight(1)) == nil)
      }
    }

    /// A batch that is longer than the slots, WRITEs and atomics in turn; and no more is waited for than has
    /// to be.
    @Test func longBatchesInTurn() throws {
      try onConfusingFake {
        let job = try TestJob(2, settings { $0.queueLength = 16 })
        let (near, far) = (job.nodes[0], job.nodes[1])
        let failure = near.run(to: far) { batch in
          for index in 0..<200 {
            near.fabric.write(&batch, from: near.local(64), byteCount: 8, to: far.remote(64, as: near))
            let old = near.local(1024 + index * 8)
            old.storeBytes(of: Self.nothing, as: UInt64.self)
            near.fabric.fetchAdd(&batch, at: far.remote(0, as: near), addend: 1, old: old)
          }
        }
        #expect(failure == nil && far.word(0) == 200)
        for index in 0..<200 { #expect(near.word(1024 + index * 8) == UInt64(index)) }
      }
    }

    @Test func atomicsAndReadsAloneWaitForNothing() throws {
      try onConfusingFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        #expect(writeAndAdd(near, far) == nil)
        let before = cfake_doorbells()
        let failure = near.run(to: far) { batch in
          for _ in 0..<20 {
            near.fabric.fetchAdd(&batch, at: far.remote(0, as: near), addend: 2, old: near.local(0))
            near.fabric.read(&batch, from: far.remote(8, as: near), into: near.local(8), byteCount: 8)
          }
          near.fabric.write(&batch, from: near.local(64), byteCount: 8, to: far.remote(64, as: near))
        }
        #expect(failure == nil && near.word(0) == 40 && near.word(8) == 5)
        #expect(cfake_doorbells() - before == 1)
      }
    }

    /// A device that answers well pays nothing; this one does not, which shows that the fake loses values.
    @Test func anotherVendorsDeviceWaitsForNothing() throws {
      try onConfusingFake(vendor: Self.vendor) {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        forgetValues(near)
        let before = cfake_doorbells()
        #expect(writeAndAdd(near, far) == nil)
        #expect(cfake_doorbells() - before == 1)
        #expect(near.word(0) == Self.nothing && near.word(8) == Self.nothing)
        #expect(far.word(0) == 2 && far.word(8) == 5)
      }
    }

    /// What is waited for fails: the flight says so, and nothing hangs.
    @Test func aWriteThatFailsFailsTheAtomic() throws {
      try onConfusingFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        cfake_complete_next_with(10)
        #expect(writeAndAdd(near, far) == failure(1, 10))
        #expect(far.word(0) == 0 && far.word(8) == 0)
        #expect(writeAndAdd(near, far) == failure(1, 10))
      }
    }

    /// A peer that is gone answers nothing, and a device may ask it for ever: who waits is let go with the
    /// job's end.
    @Test func anAtomicThatWaitsIsLetGo() throws {
      try onConfusingFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        cfake_hold_reports(1)
        let before = cfake_doorbells()
        let outcomes = onThreads(2) { thread -> FabricFailure? in
          if thread == 0 { return writeAndAdd(near, far) }
          let deadline = ContinuousClock.now + .seconds(10)
          while cfake_doorbells() == before, ContinuousClock.now < deadline { Backoff.pauseOnce() }
          near.endpoint.giveUpConnections()
          return nil
        }
        #expect(try outcomes[0].get() == failure(1, 12))
        #expect(far.word(0) == 0 && far.word(8) == 0)
        cfake_hold_reports(0)
        #expect(read(near, far) == failure(1, 12))
        // To itself a node has a connection as before.
        #expect(writeAndAdd(near, near) == nil)
      }
    }

    /// The same in a queue that is full.
    @Test func aFullQueueIsLetGo() throws {
      try onFake {
        let job = try TestJob(2, settings { $0.queueLength = 16 })
        let (near, far) = (job.nodes[0], job.nodes[1])
        cfake_hold_reports(1)
        let before = cfake_doorbells()
        let outcomes = onThreads(2) { thread -> FabricFailure? in
          if thread == 0 {
            return near.run(to: far) { batch in
              for _ in 0..<40 {
                near.fabric.read(&batch, from: far.remote(0, as: near), into: near.local(0), byteCount: 8)
              }
            }
          }
          let deadline = ContinuousClock.now + .seconds(10)
          while cfake_doorbells() == before, ContinuousClock.now < deadline { Backoff.pauseOnce() }
          near.endpoint.giveUpConnections()
          return nil
        }
        #expect(try outcomes[0].get() == failure(1, 12))
        cfake_hold_reports(0)
      }
    }
  }
}
