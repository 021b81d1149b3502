import Fabric
import Platform
import Testing

@testable import Coherence

/// First writes in order claim their neighbours, and later ones make theirs writable with them
/// (docs/protocol.md, section 2). Chunks have 16 pages here.
@Suite struct RunsExample {
  /// Nodes that share a segment: windows and runs do not go beyond it.
  private func cluster(_ nodeCount: Int = 2, _ change: (inout Configuration) -> Void = { _ in }) throws
    -> HostPair
  {
    let pair = try HostPair(nodeCount: nodeCount, change)
    let shape = SegmentShape(firstPage: 0, pageCount: 256, unitShift: 0)
    for engine in pair.engines { #expect(engine.pages.define(shape)) }
    return pair
  }

  private func write(_ pair: HostPair, _ node: NodeID, _ range: PageRange, _ value: UInt8) throws {
    let words = [PageState.dirty, .homeDirty, .homeExclusive]
    for page in range {
      // As the application: a fault only where the page is not writable.
      if words.contains(pair.state(node, page: page)) {
        pair.store(node, page: page, at: 0, value)
      } else {
        try pair.write(node, page: page, value)
      }
    }
  }

  @Test func firstWritesInOrderClaimTheirNeighbours() throws {
    let pair = try cluster()
    let engine = pair.engines[0]
    try write(pair, 0, PageRange(0, count: 64), 1)
    // In each chunk but the first, one; there two, behind which they are in order.
    #expect(engine.count(.firstTouches) == 64 && engine.count(.writeFaults) == 5)
    #expect(pair.state(0, page: 63) == .homeDirty)
    // All of them are in the next release's notices, for whoever had read their zeros.
    try engine.release()
    #expect(engine.count(.noticesSent) == 64)
  }

  @Test func whatOthersHaveIsLeftOut() throws {
    let pair = try cluster()
    #expect(try pair.read(1, page: 6) == 0)
    try pair.write(1, page: 5, 9)
    #expect(try pair.read(0, page: 7) == 0)
    try write(pair, 0, PageRange(0, count: 5), 1)
    // Node 0 asked for page 5 with the others, and knows now whose it is. Its zeros of page 7 became its own.
    #expect(pair.engines[0].pages.load(5).home == 1 && pair.state(0, page: 5) == .invalid)
    #expect(pair.state(0, page: 6) == .homeDirty && pair.state(0, page: 7) == .homeDirty)
    try pair.write(1, page: 6, at: 1, 8)
    #expect(pair.state(1, page: 6) == .dirty)
  }

  @Test func writesOfCopiesInOrderTakeTheNextOnesAlong() throws {
    let pair = try cluster()
    try write(pair, 1, PageRange(0, count: 16), 1)
    try pair.engines[1].release()
    for page in PageRange(0, count: 16) { #expect(try pair.read(0, page: page) == 1) }
    try write(pair, 0, PageRange(0, count: 16), 2)
    // 1, 1 + 2, 1 + 4 pages, and the rest of the chunk.
    #expect(pair.engines[0].count(.writeFaults) == 4 && pair.engines[0].count(.twins) == 16)
    try pair.engines[0].release()
    #expect(pair.engines[0].count(.diffsSent) == 16)
    for page in PageRange(0, count: 16) { #expect(pair.load(1, page: page, at: 0) == 2) }
  }

  @Test func writesAtHomeInOrderTakeTheNextOnesAlong() throws {
    let pair = try cluster { $0.mechanisms.remove(.exclusiveAtRelease) }
    let home = pair.engines[1]
    try write(pair, 1, PageRange(0, count: 16), 1)
    try home.release()
    let before = home.count(.writeFaults)
    #expect(try pair.read(0, page: 4) == 1)
    try write(pair, 1, PageRange(0, count: 16), 2)
    // Page 4 has been fetched, and is not taken along.
    #expect(home.count(.writeFaults) - before < 8 && pair.state(1, page: 4) == .homeDirty)
    #expect(pair.state(1, page: 5) == .homeExclusive)
  }

  /// A job of one node: a page is this node's from its first access on, and never protected again.
  @Test func aloneNothingIsProtected() throws {
    let pair = try cluster(1)
    let engine = pair.engines[0]
    #expect(try pair.read(0, page: 3) == 0)
    #expect(pair.state(0, page: 3) == .homeExclusive && pair.state(0, page: 0) == .homeExclusive)
    try write(pair, 0, PageRange(0, count: 16), 1)
    try engine.release()
    try engine.acquireAll()
    try write(pair, 0, PageRange(0, count: 16), 2)
    #expect(engine.count(.readFaults) == 1 && engine.count(.writeFaults) == 0)
    #expect(engine.count(.firstTouches) == 16 && engine.count(.noticesSent) == 0)
  }
}
