import Fabric
import Platform
import Testing

@testable import Coherence

/// A page that exactly one node noticed between two barriers, and not its home, moves to that node
/// (docs/protocol.md, section 7, "Moves"). Three nodes; node 1 is home in the beginning.
@Suite(.timeLimit(.minutes(1))) struct MigrationExample {
  private let nodes: HostPair

  init() throws {
    // Else the old home notices, once, what it had written before it was fetched, and the page moves one
    // barrier later (the last test).
    nodes = try HostPair(nodeCount: 3) { $0.mechanisms.remove(.exclusiveAtRelease) }
    try nodes.write(1, page: 5, at: 0, 1)
    try nodes.barrier()
  }

  private func homes() -> [NodeID] { nodes.engines.map { $0.pages.load(5).home } }

  @Test func aPageMovesToTheNodeThatAloneWritesIt() throws {
    try nodes.write(0, page: 5, at: 1, 2)
    #expect(nodes.state(0, page: 5) == .dirty && homes() == [1, 1, -1])
    try nodes.barrier()
    // All nodes know it, without having been told: they read the same sets.
    #expect(homes() == [0, 0, 0])
    #expect(nodes.state(0, page: 5) == .homeTracked && nodes.state(1, page: 5) == .clean)
    #expect(nodes.engines[0].count(.pagesMovedHere) == 1 && nodes.engines[1].count(.pagesMovedAway) == 1)
    // The new home has what the old one had written, too, and the directory sends a newcomer there.
    let directory = nodes.engines[0].directoryWord(5)
    #expect(nodes.word(directory.node, directory.word).load() == 0 + 1)
    for node in NodeRange(0, count: 3) {
      #expect(try (0..<3).map { try nodes.read(node, page: 5, at: $0) } == [1, 2, 0])
    }
  }

  @Test func aPageOfTwoWritersStays() throws {
    try nodes.write(0, page: 5, at: 1, 2)
    try nodes.write(2, page: 5, at: 2, 3)
    try nodes.barrier()
    #expect(homes() == [1, 1, 1] && nodes.state(1, page: 5) == .homeTracked)
    for node in NodeRange(0, count: 3) {
      #expect(try (0..<3).map { try nodes.read(node, page: 5, at: $0) } == [1, 2, 3])
    }
  }

  /// A thread of the old home, outside of the barrier, writes behind its node's seal. The new home READs the
  /// whole page once nobody writes it any more, so the byte moves along.
  @Test func whatIsWrittenBehindTheSealMovesAlong() throws {
    try nodes.write(0, page: 5, at: 1, 2)
    let old = nodes.engines[1]
    try nodes.during {
      try nodes.barrier()
    } meanwhile: {
      guard old.local.epoch.load() == 2, old.local.gateClosed.load() == 0, !old.pages.load(5).isLocked else {
        return false
      }
      try nodes.write(1, page: 5, at: 2, 3)
      #expect(nodes.state(1, page: 5) == .homeDirty && homes() == [1, 1, -1])
      return true
    }
    #expect(homes() == [0, 0, 0])
    for node in NodeRange(0, count: 3) {
      #expect(try (0..<3).map { try nodes.read(node, page: 5, at: $0) } == [1, 2, 3])
    }
  }

  /// The new home has pinned the page: it goes on writing, and the rest of the page comes in under its bytes.
  /// A third node, which had a copy, loses that to the notice and knows the new home.
  @Test func aPinnedPageArrivesUnderItsWriter() throws {
    #expect(try nodes.read(2, page: 5, at: 0) == 1)
    try nodes.engines[0].pin(5..<6, to: .readWrite, view: 0)
    nodes.store(0, page: 5, at: 1, 2)
    let old = nodes.engines[1]
    try nodes.during {
      try nodes.barrier()
    } meanwhile: {
      guard old.local.epoch.load() == 2, old.local.gateClosed.load() == 0, !old.pages.load(5).isLocked else {
        return false
      }
      try nodes.write(1, page: 5, at: 2, 3)
      return true
    }
    #expect(homes() == [0, 0, 0])
    #expect((0..<3).map { nodes.state($0, page: 5) } == [.homeDirty, .clean, .invalid])
    #expect((0..<3).map { nodes.load(0, page: 5, at: $0) } == [1, 2, 3])
    try nodes.engines[0].unpin(5..<6)
  }

  /// The old home pins one of two pages behind its node's seal: a page that is written behind a pin cannot be
  /// let go, so nothing moves at this barrier, and the other page, which it had left already, is taken back.
  @Test func nothingMovesWhereAHomeCannotLetGo() throws {
    try nodes.write(1, page: 7, at: 0, 4)
    try nodes.barrier()
    for page in [5, 7] as [Page] { try nodes.write(0, page: page, at: 1, 2) }
    let old = nodes.engines[1]
    try nodes.during {
      try nodes.barrier()
    } meanwhile: {
      guard old.local.epoch.load() == 3, old.local.gateClosed.load() == 0, !old.pages.load(5).isLocked else {
        return false
      }
      try old.pin(5..<6, to: .readWrite, view: 0)
      return true
    }
    #expect(homes() == [1, 1, -1] && nodes.engines.map { $0.pages.load(7).home } == [1, 1, -1])
    #expect(nodes.state(1, page: 5) == .homeDirty && nodes.state(1, page: 7) == .homeTracked)
    #expect(old.count(.pagesMovedAway) == 1 && nodes.engines[0].count(.pagesMovedHere) == 0)
    try old.unpin(5..<6)
    for node in NodeRange(0, count: 3) {
      #expect(try ([5, 7] as [Page]).map { try nodes.read(node, page: $0, at: 1) } == [2, 2])
    }
  }

  @Test func aPageThatTheOldHomeLeftWritableMovesOneBarrierLater() throws {
    let nodes = try HostPair(nodeCount: 3)
    try nodes.write(1, page: 5, at: 0, 1)
    try nodes.barrier()
    var homes: [[NodeID]] = []
    for value in UInt8(2)..<5 {
      try nodes.write(0, page: 5, at: 1, value)
      try nodes.barrier()
      homes.append(nodes.engines.map { $0.pages.load(5).home })
    }
    #expect(homes == [[1, 1, -1], [0, 0, 0], [0, 0, 0]])
    #expect(try (0..<2).map { try nodes.read(2, page: 5, at: $0) } == [1, 4])
  }

  /// Two nodes write it in turn: it moves once, and then stays for a while.
  @Test func aPageThatHasMovedRests() throws {
    var homes: [NodeID] = []
    for round in 0..<20 {
      let writer = NodeID(round % 2 == 0 ? 0 : 2)
      try nodes.write(writer, page: 5, at: 1, UInt8(round + 1))
      try nodes.barrier()
      homes.append(nodes.engines[1].pages.load(5).home)
    }
    #expect(homes[..<9].allSatisfy { $0 == 0 } && homes[9] == 2)
    #expect(homes[9..<18].allSatisfy { $0 == 2 } && homes[18] == 0)
  }
}
