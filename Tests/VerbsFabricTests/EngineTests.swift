import CFakeProvider
import Coherence
import Fabric
import Glibc
import Platform
import Synchronization
import Testing

@testable import VerbsFabric

extension FakeFabric {
  /// What the engine makes of a fabric that fails: above all, who is to blame.
  @Suite(.serialized) struct EngineOverVerbs {
    final class Flag: Sendable {
      let isSet = Atomic<Bool>(false)
    }

    /// No page is touched in these tests.
    struct NoProtection: Protection {
      func lower(_ pages: PageRange, to access: Access) {}
      func raise(_ pages: PageRange, to access: Access, in view: ViewID) {}
      func setPinned(_ pages: PageRange, _ pinned: Bool) {}
      func discardFrames(_ pages: PageRange) {}
    }

    struct TestExecution: Execution {
      let lost: AtomicWord
      func pause(_ backoff: inout Backoff) { backoff.wait() }
      func interleave(_ site: Int) {}
      func enterCritical() -> UInt64 { 0 }
      func leaveCritical(_ saved: UInt64) {}
      func wakeService() {}
      var threadID: UInt32 { 1 }
      func nowNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
      }
      var lostPeer: Int32 { Int32(truncatingIfNeeded: lost.load() &- 1) }
      func stop(_ violation: Violation) -> Never { fatalError("\(violation)") }
    }

    enum TestEnvironment: Environment {
      typealias F = VerbsFabric
      typealias P = NoProtection
      typealias X = TestExecution
      typealias M = NoMutations
      typealias W = BareMemory
    }

    /// The engine of node 0 of two, and the word that says who is lost.
    private func withEngine(_ body: (Engine<TestEnvironment>, AtomicWord) throws -> Void) throws {
      try onFake {
        var c = Configuration(nodeCount: 2, pageCount: 64)
        c.chunkShift = 4
        (c.logEntryCount, c.lockCount, c.lockSlotCount, c.epochEntryCount) = (64, 64, 16, 64)
        (c.moveCount, c.workspaceCount, c.shapeCount) = (64, 4, 8)
        let job = try TestJob(2)
        let byteCount = Engine<TestEnvironment>.localByteCount(c) + 4096
        let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        let lost = AtomicWord(memory + byteCount - 4096)
        let engine = Engine<TestEnvironment>(
          fabric: job.nodes[0].fabric, protection: NoProtection(), execution: TestExecution(lost: lost),
          configuration: c, layout: ControlLayout(c), localMemory: memory)
        try body(engine, lost)
      }
    }

    private func read(_ engine: Engine<TestEnvironment>, from node: NodeID = 1) -> EngineError? {
      var word: UInt64 = 0
      do throws(EngineError) {
        try withUnsafeMutableBytes(of: &word) { (bytes) throws(EngineError) in
          guard let place = bytes.baseAddress else { return }
          try engine.readControl(node, engine.layout.logHead.span, into: place)
        }
        return nil
      } catch {
        return error
      }
    }

    @Test func aFailureKeepsItsPeerAndStatus() throws {
      try withEngine { engine, _ in
        #expect(read(engine) == nil)
        cfake_complete_next_with(12)
        let failure = FabricFailure(reason: .completionError, peer: 1, status: 12)
        #expect(read(engine) == .fabric(failure))
        #expect(read(engine) == .fabric(failure))
      }
    }

    /// The device sees that a node has died before the launcher has said so: the node is named all the same.
    @Test(arguments: [5, 10, 12]) func aNodeThatDiedIsNamed(status: Int32) throws {
      try withEngine { engine, lost in
        cfake_complete_next_with(status)
        let outcomes = onThreads(2) { thread -> EngineError? in
          if thread == 1 {
            // The news come a little later than the failure.
            usleep(50_000)
            lost.store(2)
            return nil
          }
          return read(engine)
        }
        let error = try outcomes[0].get()
        #expect(error == .fabric(FabricFailure(reason: .peerLost, peer: 1)))
      }
    }

    /// The connection breaks and nobody dies: the node at the other end waits for the message that was lost,
    /// and this one for its answer. It says so instead.
    @Test func aBarrierWhoseMessageIsLostEnds() throws {
      try withEngine { engine, lost in
        cfake_complete_next_with(12)
        let isOver = Flag()
        let outcomes = onThreads(2) { thread -> EngineError? in
          if thread == 1 {
            // A wait that has not noticed within 5 s never would: it is ended by another reason.
            for _ in 0..<500 where !isOver.isSet.load(ordering: .acquiring) { usleep(10_000) }
            lost.store(2)
            return nil
          }
          defer { isOver.isSet.store(true, ordering: .releasing) }
          do throws(EngineError) { try engine.barrier() } catch { return error }
          return nil
        }
        let error = try outcomes[0].get()
        #expect(error == .fabric(FabricFailure(reason: .completionError, peer: 1, status: 12)))
      }
    }

    /// What fails at this node has nothing to do with others: it is told at once.
    @Test func aFailureOfTheOwnDeviceDoesNotWait() throws {
      let refused = EngineError.fabric(FabricFailure(reason: .completionError, peer: 1, status: -12))
      try withEngine { engine, _ in
        let start = ContinuousClock.now
        cfake_refuse_post_at(0)
        #expect(read(engine) == refused)
        // The job is over for this node: what comes later is told the same, and is not tried.
        #expect(read(engine, from: 0) == refused)
        #expect(ContinuousClock.now - start < .milliseconds(400))
      }
      try withEngine { engine, _ in
        let start = ContinuousClock.now
        cfake_complete_next_with(4)
        #expect(read(engine, from: 0) == .fabric(FabricFailure(reason: .completionError, peer: 0, status: 4)))
        #expect(ContinuousClock.now - start < .milliseconds(400))
      }
    }

    /// The connection to this node itself lives on, and what is homed here could be reached for ever.
    @Test func aLossIsToldAlsoOfWhatIsHomedHere() throws {
      try withEngine { engine, lost in
        #expect(read(engine, from: 0) == nil)
        try engine.acquireLock(0)
        lost.store(2)
        let told = EngineError.fabric(FabricFailure(reason: .peerLost, peer: 1))
        #expect(read(engine, from: 0) == told)
        #expect(throws: told) { try engine.releaseLock(0) }
        #expect(throws: told) { try engine.tryAcquireLock(2) }
        #expect(throws: told) { try engine.acquireLock(2, withinNanoseconds: 60_000_000_000) }
        #expect(throws: told) { try engine.release() }
        #expect(throws: told) { try engine.acquireAll() }
        #expect(throws: told) { _ = try engine.atomic(.load, at: 0) }
        #expect(throws: told) { try engine.prefetch(0..<1, view: 0) }
        #expect(throws: told) { try engine.pin(0..<1, to: .read, view: 0) }
      }
    }
  }
}
