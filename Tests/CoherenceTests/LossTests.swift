import Fabric
import Platform
import Testing

@testable import Coherence

/// A node is lost, and its memory stays within reach: whatever orders memory or reaches a node says so on
/// entry, also of what is homed here.
@Suite struct LossTests {
  struct Entry: CustomTestStringConvertible, Sendable {
    let name: String
    let call: @Sendable (Engine<HostPair.Setting>) throws(EngineError) -> Void
    var testDescription: String { name }
  }

  /// A page of which node 0 is home, and one of which it has a copy.
  static let own: Page = 3
  static let copy: Page = 5

  static let entries = [
    Entry(name: "release") { engine throws(EngineError) in try engine.release() },
    Entry(name: "acquireAll") { engine throws(EngineError) in try engine.acquireAll() },
    Entry(name: "acquireLock at home") { engine throws(EngineError) in try engine.acquireLock(2) },
    Entry(name: "acquireLock elsewhere") { engine throws(EngineError) in try engine.acquireLock(3) },
    Entry(name: "tryAcquireLock") { engine throws(EngineError) in try engine.tryAcquireLock(2) },
    Entry(name: "acquireLock within") { engine throws(EngineError) in
      try engine.acquireLock(2, withinNanoseconds: 1 << 40)
    },
    Entry(name: "acquireLock within, of one that is held") { engine throws(EngineError) in
      engine.localLock(2).nextTicket.fetchAdd(1)
      try engine.acquireLock(2, withinNanoseconds: 0)
    },
    Entry(name: "releaseLock") { engine throws(EngineError) in try engine.releaseLock(0) },
    Entry(name: "awaitGrant, granted") { engine throws(EngineError) in
      engine.own(engine.layout.lockSlot(9).granted).store(1)
      try engine.awaitGrant(9)
    },
    Entry(name: "barrier") { engine throws(EngineError) in try engine.barrier() },
    Entry(name: "atomic") { engine throws(EngineError) in _ = try engine.atomic(.load, at: own.number << 12)
    },
    Entry(name: "prefetch") { engine throws(EngineError) in try engine.prefetch(own..<own + 1, view: 0) },
    Entry(name: "pin") { engine throws(EngineError) in try engine.pin(own..<own + 1, to: .read, view: 0) },
    Entry(name: "retire") { engine throws(EngineError) in _ = try engine.retire(16..<32) },
    Entry(name: "offerPlacement") { engine throws(EngineError) in
      try engine.offerPlacement(SegmentShape(firstPage: 0, pageCount: 16))
    },
    Entry(name: "readControl") { engine throws(EngineError) in
      try engine.readControl(0, engine.layout.logHead.span, into: engine.workspace(0).result(20))
    },
    Entry(name: "writeControl") { engine throws(EngineError) in
      try engine.writeControl(
        0, engine.layout.lockSlot(0).next.writable, from: engine.workspace(0).result(20))
    },
  ]

  private func pair() throws -> HostPair {
    let pair = try HostPair()
    try pair.write(0, page: Self.own, 1)
    try pair.write(1, page: Self.copy, 2)
    try pair.engines[1].release()
    try pair.engines[0].acquireAll()
    #expect(try pair.read(0, page: Self.copy) == 2)
    try pair.engines[0].pin(Self.own..<Self.own + 1, to: .read, view: 0)
    try pair.engines[0].acquireLock(0)
    pair.losses[0].store(2)
    return pair
  }

  @Test(arguments: entries) func isToldOnEntry(_ entry: Entry) throws {
    let pair = try pair()
    defer { withExtendedLifetime(pair) {} }
    let engine = pair.engines[0]
    for _ in 0..<2 {
      #expect(throws: EngineError.fabric(FabricFailure(reason: .peerLost, peer: 1))) {
        try entry.call(engine)
      }
    }
    // Nothing has changed: the lock is held, the workspaces are free, no barrier is under way.
    #expect(engine.holdsLock(0))
    #expect(engine.local.workspaceUse.load() == 0 && engine.local.barrierBusy.load() == 0)
    #expect(engine.local.waiting.load() == 0 && engine.local.inside.load() == 0)
  }

  /// What this node can do by itself goes on.
  @Test func whatIsHereIsServed() throws {
    let pair = try pair()
    try pair.write(0, page: Self.own, 3)
    try pair.write(0, page: Self.copy, 4)
    #expect(try pair.read(0, page: Self.copy) == 4)
    try pair.engines[0].unpin(Self.own..<Self.own + 1)
    // On this fabric the memory of the lost node is there, as it was placed last.
    try pair.engines[0].fault(page: 7, access: .readWrite, view: 0)
  }

  /// A release that has looked on entry, and gets the commit lock behind a round that failed: that round had
  /// taken pages off the list and placed nothing, so no round behind it may count as one that covers it.
  @Test func noRoundFollowsOneThatFailed() throws {
    let pair = try pair()
    let engine = pair.engines[0]
    let finished = engine.local.roundsFinished.load()
    #expect(throws: EngineError.fabric(FabricFailure(reason: .peerLost, peer: 1))) {
      try engine.groupCommit()
    }
    #expect(engine.local.roundsFinished.load() == finished && engine.local.roundsBegun.load() == finished)
    #expect(!engine.isCommitLockHeld)
  }

  /// The old home has left its page when the others are not heard of any more: it is home again, and may be
  /// written.
  @Test func aPageThatWasBeingLeftIsAtHomeAgain() throws {
    let pair = try HostPair()
    try pair.write(0, page: Self.own, 1)
    let engine = pair.engines[0]
    engine.local.epoch.store(1)
    engine.tally(Self.own, unitPages: 1, of: 1, atHome: false)
    #expect(throws: EngineError.self) { try engine.moveHomes() }
    #expect(engine.count(.pagesMovedAway) == 1 && pair.state(0, page: Self.own) == .homeTracked)
    try pair.write(0, page: Self.own, 2)
    #expect(try pair.read(0, page: Self.own) == 2)
  }

  /// A node that dies in the middle of a barrier's moves, or when pages are forgotten, leaves no closed gate
  /// behind: what is here is still served.
  @Test func theGateIsOpenAfterALoss() throws {
    let pair = try pair()
    let engine = pair.engines[0]
    let lost = EngineError.fabric(FabricFailure(reason: .peerLost, peer: 1))
    #expect(throws: lost) { try engine.moveHomes() }
    #expect(engine.local.gateClosed.load() == 0)
    // Another thread of this node is inside.
    engine.local.inside.fetchAdd(1)
    #expect(throws: lost) { try engine.forgetWords() }
    engine.local.inside.fetchAdd(~0)
    #expect(engine.local.gateClosed.load() == 0)
    try pair.write(0, page: Self.own, 3)
    #expect(try pair.read(0, page: Self.own) == 3)
  }
}
