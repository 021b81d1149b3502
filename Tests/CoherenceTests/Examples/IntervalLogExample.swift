import Fabric
import Platform
import Testing

@testable import Coherence

/// The interval log is a ring: positions only grow, and what is overwritten lies below the floor
/// (docs/protocol.md, section 4, "Bounded logs"). Here it has four entries. Node 1 writes, and is home of all
/// pages; node 0 has copies.
@Suite struct IntervalLogExample {
  private let pair: HostPair

  init() throws {
    // Each write at home is noticed once here: that a fetched page is noticed once more would be in the way.
    pair = try HostPair {
      $0.logEntryCount = 4
      $0.mechanisms.remove(.exclusiveAtRelease)
    }
    // Two entries of the log.
    for page in [10, 200] as [Page] { try pair.write(1, page: page, 1) }
    try pair.engines[1].release()
    try pair.engines[0].acquireAll()
    for page in [10, 200] as [Page] { #expect(try pair.read(0, page: page) == 1) }
  }

  @Test func theRingGoesRound() throws {
    for round in UInt8(2)..<12 {
      // Three entries of four, so most rounds' lie at both ends of the ring.
      for page in [10, 12, 14] as [Page] { try pair.write(1, page: page, round) }
      try pair.engines[1].release()
      try pair.engines[0].acquireAll()
      for page in [10, 12, 14] as [Page] { #expect(try pair.read(0, page: page) == round) }
    }
    // Nothing was overwritten before it was read: a page that nobody wrote is still here.
    #expect(pair.engines[1].logHead.load() == 2 + 30)
    #expect(pair.state(0, page: 200) == .clean && pair.engines[0].count(.logOverflows) == 0)
  }

  @Test func whoComesTooLateFindsTheFloorAndDropsEveryCopy() throws {
    // What node 0 will learn of by the lock: position 2 of the log.
    try pair.engines[1].acquireLock(0)
    try pair.write(1, page: 10, 2)
    try pair.engines[1].releaseLock(0)
    // Then node 1 goes on alone, and its notices of other pages take that place.
    for page in [20, 30, 40, 50] as [Page] {
      try pair.write(1, page: page, 1)
      try pair.engines[1].release()
    }
    try pair.engines[0].acquireLock(0)
    #expect(pair.engines[0].count(.logOverflows) == 1)
    // One of the two was written. Which one the log does not say any more.
    #expect(pair.state(0, page: 10) == .invalid && pair.state(0, page: 200) == .invalid)
    #expect(try pair.read(0, page: 10) == 2)
  }
}
