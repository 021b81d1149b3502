import Fabric
import Platform
import Testing

@testable import Coherence

/// A word of a peer that says what no node writes, one of each kind: whoever reads it says whose it is and
/// what it says, and does not follow it. (`segmentCount`, `segmentEntry`, `waiter`, `objectState`:
/// Tests/Programs/damage.c.)
@Suite struct PeerWordTests {
  typealias Pair = HostPair
  static let above: Set<PeerWord> = [.segmentCount, .segmentEntry, .waiter, .objectState]

  struct Damage: CustomTestStringConvertible, Sendable {
    let word: PeerWord
    let what: String
    /// Overwrites a word, calls what reads it; returns whose word it is, and what it says now.
    let strike: @Sendable (Pair, inout Blame) throws(EngineError) -> Void
    var testDescription: String { "\(word): \(what)" }
  }

  /// Who must be named, with which value; set before the call that throws.
  struct Blame {
    var peer: NodeID = 1
    var value: UInt64 = 0
    /// The node that finds it.
    var finder = 0
  }

  static let page: Page = 5

  @Test(arguments: damages) func isSaid(_ damage: Damage) throws {
    let pair = try Pair()
    var blame = Blame()
    var found: EngineError?
    do throws(EngineError) {
      try damage.strike(pair, &blame)
    } catch {
      found = error
    }
    #expect(found == .fabric(FabricFailure(bad: damage.word, of: blame.peer, value: blame.value)))
    // It stays: whatever was left half done, nobody goes on with it.
    #expect(failure { () throws(EngineError) in try pair.engines[blame.finder].release() } == found)
    #expect(failure { () throws(EngineError) in try pair.engines[blame.finder].acquireAll() } == found)
    // Page faults are served still, of what is here: nothing keeps them out.
    let engine = pair.engines[blame.finder]
    #expect(engine.local.gateClosed.load() == 0 && engine.local.inside.load() == 0)
    #expect(!(0..<256).contains { engine.pages.load($0).isLocked })
  }

  @Test func everyKindHasItsDamage() {
    #expect(Set(Self.damages.map(\.word)).union(Self.above) == Set(PeerWord.allCases))
    #expect(Set(PeerWord.allCases.map { "\($0.words)" }).count == PeerWord.allCases.count)
  }

  /// Undamaged, the same calls go through: what throws above is the damage.
  @Test func withoutDamageNothingIsSaid() throws {
    let pair = try Pair()
    try pair.write(1, page: Self.page, 7)
    try pair.engines[1].release()
    try pair.engines[0].acquireAll()
    #expect(try pair.read(0, page: Self.page) == 7)
    try pair.write(1, page: Self.page, 8)
    _ = try pair.sealBoth()
    try pair.engines[0].acquireEpoch()
    #expect(try pair.read(0, page: Self.page) == 8)
    for node in [0, 1, 0] {
      try pair.engines[node].acquireLock(3)
      try pair.engines[node].releaseLock(3)
    }
    _ = try pair.engines[1].retire(16..<32)
    try pair.engines[0].reset(upTo: 1)
  }

  /// Who detached behind its node's seal noted pages of a life that is over at the barrier after; another
  /// thread of this node may know the next segment at these addresses by then, with another unit.
  @Test func aNoticeOfAnEarlierLifeIsNoError() throws {
    let pair = try Pair()
    let engine = pair.engines[0]
    try pair.write(1, page: Self.page, 7)
    _ = try pair.sealBoth()
    engine.rememberForgotten(0..<16)
    #expect(engine.pages.define(SegmentShape(firstPage: 0, pageCount: 16, unitShift: 1)))
    try engine.acquireEpoch()
    // Nor does the page move.
    #expect(engine.local.moveCount.load() == 0)
  }

  /// A notice by a node that does not know the page's home: nobody can take the page over.
  @Test func aMoveFromNowhereIsRefused() throws {
    let pair = try Pair()
    let w = pair.engines[0].takeWorkspace()
    let found = failure { () throws(EngineError) in
      var held = try pair.engines[0].holdUnit(Unit(page: Self.page, count: 1))
      try pair.engines[0].takeOver(&held, w)
    }
    let value = UInt64(Self.page.number) << 28
    #expect(found == .fabric(FabricFailure(bad: .epochNotice, of: 0, value: value)))
  }

  /// The lock is at the node, but not what was released with it: nobody of the node gets it any more, another
  /// thread neither that waits for it already.
  @Test func aLockIsNotHandedOnWithoutItsNotices() throws {
    let pair = try Pair()
    let bad = EngineError.fabric(FabricFailure(bad: .logNotice, of: 1, value: 1 << 62))
    try pair.engines[1].acquireLock(3)
    let word = try notice(pair)
    let right = word.load()
    try pair.engines[1].releaseLock(3)
    _ = try? pair.read(0, page: Self.page)
    word.store(1 << 62)
    // Another thread has the next ticket: for it the lock is handed over within the node.
    let lock = pair.engines[0].localLock(3)
    let next = lock.nextTicket.load() + 1
    #expect(failure { () throws(EngineError) in try pair.engines[0].acquireLock(3) } == bad)
    #expect(lock.slot.load() != 0 && lock.serving.load() == next)
    lock.nextTicket.fetchAdd(1)
    pair.engines[0].beginWaiting()
    defer { pair.engines[0].endWaiting() }
    let second = failure { () throws(EngineError) in
      try pair.engines[0].takeGlobally(3, lock, for: .program, waiting: true)
    }
    #expect(second == bad)
    #expect(lock.serving.load() == next + 1)
    for _ in 0..<3 {
      #expect(failure { () throws(EngineError) in try pair.engines[0].acquireLock(3) } == bad)
      #expect(failure { () throws(EngineError) in try pair.engines[0].releaseLock(3) } == bad)
      #expect(!pair.engines[0].holdsLock(3))
    }
    word.store(right)
    #expect(failure { () throws(EngineError) in try pair.engines[0].acquireLock(3) } == bad)
    #expect(failure { () throws(EngineError) in try pair.engines[0].barrier() } == bad)
  }
}

private func failure(_ body: () throws(EngineError) -> Void) -> EngineError? {
  do throws(EngineError) {
    try body()
    return nil
  } catch {
    return error
  }
}

/// The log's first notice of node 1, after a store and a release.
private func notice(_ pair: HostPair) throws(EngineError) -> AtomicWord {
  try pair.write(1, page: PeerWordTests.page, 7)
  try pair.engines[1].release()
  return pair.word(1, pair.layout.logRing[0])
}

/// A store by node 1, sealed; the epoch buffer that node 0 reads.
private func sealed(_ pair: HostPair) throws(EngineError) -> EpochRecord {
  try pair.write(1, page: PeerWordTests.page, 7)
  _ = try pair.sealBoth()
  return pair.layout.epochRecord(pair.engines[1].local.epoch.loadRelaxed() - 1)
}

extension PeerWordTests {
  private static func logNotice(_ what: String, _ page: Int, _ count: Int, _ unitPages: Int) -> Damage {
    Damage(word: .logNotice, what: what) { pair, blame throws(EngineError) in
      blame.value = packed(page, count, unitPages)
      try notice(pair).store(blame.value)
      try pair.engines[0].acquireAll()
    }
  }

  /// A notice that `WriteNotice` would refuse to make.
  private static func packed(_ page: Int, _ count: Int, _ unitPages: Int) -> UInt64 {
    UInt64(page) << 28 | UInt64(count) << 8 | UInt64(unitPages.trailingZeroBitCount) << 4
  }

  private static func epochNotice(_ what: String, _ page: Int, _ count: Int, _ unitPages: Int) -> Damage {
    Damage(word: .epochNotice, what: what) { pair, blame throws(EngineError) in
      blame.value = packed(page, count, unitPages)
      let buffer = try sealed(pair)
      pair.word(1, buffer.entry(0)).store(blame.value)
      try pair.engines[0].acquireEpoch()
    }
  }

  private static func lockTail(_ what: String, _ value: UInt64, tries: Bool) -> Damage {
    Damage(word: .lockTail, what: what) { pair, blame throws(EngineError) in
      blame.value = value
      let (home, record) = pair.engines[0].lockRecord(3)
      blame.peer = home
      pair.word(home, record.tail).store(value)
      if tries { try pair.engines[0].tryAcquireLock(3) } else { try pair.engines[0].acquireLock(3) }
    }
  }

  /// A clock with `entry` for the log of `peer`, found in a lock's record.
  private static func clock(_ what: String, peer: NodeID, entry: UInt64) -> Damage {
    Damage(word: .clock, what: what) { pair, blame throws(EngineError) in
      (blame.peer, blame.value) = (peer, entry)
      _ = try notice(pair)
      let (home, record) = pair.engines[0].lockRecord(3)
      pair.word(home, record.clock, peer.number).store(entry)
      // So that node 0 looks at all of the clock.
      if peer == 0 { pair.word(home, record.clock, 1).store(1) }
      try pair.engines[0].acquireLock(3)
    }
  }

  private static func directory(_ what: String, _ value: UInt64, _ access: Access) -> Damage {
    Damage(word: .directory, what: what) { pair, blame throws(EngineError) in
      let shard = pair.engines[0].directoryWord(page)
      (blame.peer, blame.value) = (shard.node, value)
      pair.word(shard.node, shard.word).store(value)
      try pair.engines[0].fault(page: page, access: access, view: 0)
    }
  }

  /// Found by whoever changes a page of which this node shows the zeros, and holds its lock bit for that.
  private static func directoryOfZeros(
    _ what: String, _ change: @escaping @Sendable (Pair) throws(EngineError) -> Void
  ) -> Damage {
    Damage(word: .directory, what: what) { pair, blame throws(EngineError) in
      _ = try pair.read(0, page: page)
      let shard = pair.engines[0].directoryWord(page)
      (blame.peer, blame.value) = (shard.node, 3)
      pair.word(shard.node, shard.word).store(3)
      try change(pair)
    }
  }

  private static func chunkKey(_ what: String, _ value: UInt64) -> Damage {
    Damage(word: .chunkKey, what: what) { pair, blame throws(EngineError) in
      blame.value = value
      _ = try notice(pair)
      pair.word(1, pair.layout.chunkKeys[0]).store(value)
      _ = try pair.read(0, page: page)
    }
  }

  /// The first page and the length as they stand in the ring; one of them is wrong.
  private static func freedRange(_ what: String, first: UInt64, count: UInt64, wrong: UInt64) -> Damage {
    Damage(word: .freedRange, what: what) { pair, blame throws(EngineError) in
      (blame.peer, blame.value) = (0, wrong)
      _ = try pair.engines[1].retire(16..<32)
      pair.word(0, pair.layout.freedRecord(0).words, 0).store(first)
      pair.word(0, pair.layout.freedRecord(0).words, 1).store(count)
      try pair.engines[0].reset(upTo: 1)
    }
  }

  static let damages: [Damage] = [
    logNotice("beyond the capacity", 1 << 30, 1, 1),
    logNotice("ends beyond the capacity", 255, 2, 1),
    logNotice("no pages", 5, 0, 1),
    logNotice("a unit larger than a chunk", 0, 32, 32),
    logNotice("not whole units", 6, 4, 4),
    logNotice("half a unit", 4, 2, 4),
    epochNotice("beyond the capacity", 1 << 30, 1, 1),
    epochNotice("no pages", 5, 0, 1),
    epochNotice("a unit larger than a chunk", 0, 32, 32),
    Damage(word: .epochNotice, what: "another unit than the segment's") { pair, blame throws(EngineError) in
      _ = pair.engines[0].pages.define(SegmentShape(firstPage: 0, pageCount: 16, unitShift: 1))
      blame.value = WriteNotice(page: 4, count: 4, unitPages: 4, atHome: false).raw
      let buffer = try sealed(pair)
      pair.word(1, buffer.entry(0)).store(blame.value)
      try pair.engines[0].acquireEpoch()
    },
    Damage(word: .epochCount, what: "more than there is room for") { pair, blame throws(EngineError) in
      blame.value = 65
      let buffer = try sealed(pair)
      pair.word(1, buffer.count).store(65)
      try pair.engines[0].acquireEpoch()
    },
    Damage(word: .epochCount, what: "no number of Int") { pair, blame throws(EngineError) in
      blame.value = ~0
      let buffer = try sealed(pair)
      pair.word(1, buffer.count).store(~0)
      try pair.engines[0].acquireEpoch()
    },
    Damage(word: .epochSeal, what: "beyond the clock") { pair, blame throws(EngineError) in
      blame.value = 2
      let buffer = try sealed(pair)
      pair.word(1, buffer.sealed).store(2)
      try pair.engines[0].acquireEpoch()
    },
    Damage(word: .logHead, what: "more than a barrier's message has room for") {
      pair, blame throws(EngineError) in
      blame.value = 1 << 48
      pair.word(1, pair.layout.logHead).store(1 << 48)
      try pair.engines[0].acquireAll()
    },
    Damage(word: .logHead, what: "goes back") { pair, blame throws(EngineError) in
      _ = try notice(pair)
      try pair.engines[0].acquireAll()
      pair.word(1, pair.layout.logHead).store(0)
      try pair.engines[0].acquireAll()
    },
    clock("beyond the head", peer: 1, entry: 2),
    clock("a ring beyond the head", peer: 1, entry: 1000),
    clock("the largest number", peer: 1, entry: ~0),
    clock("beyond the own head", peer: 0, entry: 1),
    directory("beyond the nodes, READ", 3, .read),
    directory("beyond the nodes, claimed", 3, .readWrite),
    directory("no number of Int", ~0, .read),
    directoryOfZeros("of zeros that are written") { pair throws(EngineError) in
      try pair.write(0, page: page, 1)
    },
    directoryOfZeros("of zeros that an atomic changes") { pair throws(EngineError) in
      _ = try pair.engines[0].atomic(.fetchAdd(1), at: page.number << 12)
    },
    Damage(word: .directory, what: "at a move") { pair, blame throws(EngineError) in
      _ = try notice(pair)
      _ = try pair.read(0, page: page)
      let engine = pair.engines[0]
      let shard = engine.directoryWord(page)
      (blame.peer, blame.value) = (shard.node, 1)
      pair.word(shard.node, shard.word).store(1)
      try engine.closeGate()
      defer { engine.openGate() }
      try engine.carryOut((Unit(page: page, count: 1), 0), engine.workspace(0))
    },
    chunkKey("withdrawn while it is home", 0),
    chunkKey("more than a key has bits", 1 << 32),
    Damage(word: .freedCount, what: "goes back") { pair, blame throws(EngineError) in
      (blame.peer, blame.value) = (0, 0)
      _ = try pair.engines[1].retire(16..<32)
      try pair.engines[0].reset(upTo: 1)
      try pair.engines[0].reset(upTo: 0)
    },
    Damage(word: .freedCount, what: "more than the ring holds, at a barrier") {
      pair, blame throws(EngineError) in
      (blame.peer, blame.value) = (0, 257)
      try pair.engines[0].reset(upTo: 257)
    },
    Damage(word: .freedCount, what: "more than the ring holds, when a range is freed") {
      pair, blame throws(EngineError) in
      (blame.peer, blame.value, blame.finder) = (0, 1 << 40, 1)
      pair.word(0, pair.layout.retireHead).store(1 << 40)
      _ = try pair.engines[1].retire(16..<32)
    },
    freedRange("no pages", first: 5, count: 0, wrong: 0),
    freedRange("begins beyond the capacity", first: 256, count: 1, wrong: 256),
    freedRange("ends beyond the capacity", first: 250, count: 7, wrong: 7),
    freedRange("the largest numbers", first: 1, count: ~0, wrong: ~0),
    lockTail("no such node", 3 << 32 | 1, tries: false),
    lockTail("no node", 1, tries: false),
    // Of the program's 16, the moments' 32 and the library's 8 the last is 55.
    lockTail("no such slot", 2 << 32 | 56, tries: false),
    lockTail("the largest number, tried", ~0, tries: true),
    Damage(word: .successor, what: "no such node") { pair, blame throws(EngineError) in
      (blame.peer, blame.value) = (0, 9 << 32)
      try pair.engines[0].acquireLock(3)
      // Looked at where there is something to release; else the tail has said that nobody is behind.
      try pair.write(0, page: 5, 1)
      let slot = Int(pair.engines[0].localLock(3).slot.loadRelaxed()) - 1
      pair.word(0, pair.layout.lockSlot(slot).next).store(blame.value)
      try pair.engines[0].releaseLock(3)
    },
    Damage(word: .grant, what: "another number than 1") { pair, blame throws(EngineError) in
      (blame.peer, blame.value) = (0, 2)
      let waiter = try pair.engines[0].takeWaitSlot()
      pair.word(0, pair.layout.lockSlot(waiter.slot).granted).store(2)
      try pair.engines[0].awaitGrant(waiter.slot)
    },
    Damage(word: .barrierMessage, what: "of no dissemination of late") { pair, blame throws(EngineError) in
      (blame.peer, blame.value) = (0, TaggedWord(7, of: 1000).raw)
      for number in 1...2 {
        pair.word(0, pair.layout.inbox(0, UInt64(number)).message).store(blame.value)
      }
      try pair.engines[0].barrier()
    },
  ]
}
