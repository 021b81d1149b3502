import Fabric
import Platform
import Testing

@testable import Coherence

/// A lock that nobody else wants, where its record is mapped: taken and left by instructions, with no round
/// where there is nothing to release (docs/protocol.md, section 6).
@Suite(.timeLimit(.minutes(1))) struct LockInPlaceExample {
  @Test func aCycleThatWritesNothingHasNoRound() throws {
    let pair = try HostPair()
    let engine = pair.engines[0]
    for _ in 0..<10 {
      try engine.acquireLock(3)
      try engine.releaseLock(3)
    }
    #expect(engine.count(.lockAcquires) == 10 && engine.count(.releases) == 10)
    #expect(engine.local.roundsBegun.load() == 0 && engine.slotsInUse == 0)
  }

  /// Node 1 writes under a lock; node 2 hears of it by another one, under which nobody has written anything.
  @Test func whatANodeKnowsGoesOnWithALockUnderWhichItWroteNothing() throws {
    let nodes = try HostPair(nodeCount: 3)
    #expect(try nodes.read(2, page: 5) == 0)
    try nodes.engines[1].acquireLock(3)
    try nodes.write(1, page: 5, 7)
    try nodes.engines[1].releaseLock(3)
    #expect(nodes.engines[1].local.roundsBegun.load() == 1)
    for id in [3, 4] {
      try nodes.engines[0].acquireLock(id)
      try nodes.engines[0].releaseLock(id)
    }
    #expect(nodes.engines[0].local.roundsBegun.load() == 0)
    try nodes.engines[2].acquireLock(4)
    #expect(try nodes.read(2, page: 5) == 7)
  }

  @Test func onlyALockThatWasTakenCounts() throws {
    let pair = try HostPair()
    try pair.engines[0].acquireLock(3)
    #expect(throws: EngineError.busy) { try pair.engines[1].tryAcquireLock(3) }
    #expect(pair.engines[1].count(.lockAcquires) == 0)
    try pair.engines[0].releaseLock(3)
    try pair.engines[1].tryAcquireLock(3)
    #expect(pair.engines[1].count(.lockAcquires) == 1)
  }

  @Test func aReleaseLooksAtListsMarksAndRounds() throws {
    let pair = try HostPair()
    let engine = pair.engines[0]
    #expect(engine.hasNothingToRelease)
    try pair.write(0, page: 5, 1)
    #expect(!engine.hasNothingToRelease)
    try engine.release()
    #expect(engine.hasNothingToRelease)
    // Exclusive from the second write on: untracked, until somebody fetches it.
    try pair.write(0, page: 5, 2)
    #expect(pair.state(0, page: 5) == .homeExclusive && engine.hasNothingToRelease)
    #expect(try pair.read(1, page: 5) == 2)
    #expect(!engine.hasNothingToRelease)
    try engine.release()
    try engine.takeCommitLock()
    #expect(!engine.hasNothingToRelease)
    engine.dropCommitLock()
    #expect(engine.hasNothingToRelease)
  }
}
