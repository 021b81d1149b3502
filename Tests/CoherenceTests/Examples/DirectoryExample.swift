import Fabric
import Platform
import Testing

@testable import Coherence

/// The first node that writes a page becomes its home, by a compare-and-swap of the page's word in the
/// directory (docs/protocol.md, section 2, "First touch").
@Suite(.timeLimit(.minutes(1))) struct DirectoryExample {
  private func home(_ nodes: HostPair) -> UInt64 {
    let place = nodes.engines[0].directoryWord(5)
    return nodes.word(place.node, place.word).load()
  }

  @Test func theFirstWriterIsHome() throws {
    let nodes = try HostPair(nodeCount: 3)
    // A read claims nothing: it maps zeros, and no home is known.
    #expect(try nodes.read(0, page: 5) == 0)
    #expect(
      home(nodes) == 0 && nodes.state(0, page: 5) == .clean && nodes.engines[0].pages.load(5).home == -1)
    try nodes.write(1, page: 5, 1)
    #expect(home(nodes) == 1 + 1 && nodes.state(1, page: 5) == .homeDirty)
    // Its first notice drops the zeros.
    try nodes.engines[1].release()
    try nodes.engines[0].acquireAll()
    #expect(try nodes.read(0, page: 5) == 1)
    // The next one that writes finds the home there.
    try nodes.write(2, page: 5, at: 1, 2)
    #expect(home(nodes) == 1 + 1 && nodes.state(2, page: 5) == .dirty)
    try nodes.engines[2].release()
    #expect(try (0..<3).map { try nodes.read(1, page: 5, at: $0) } == [1, 2, 0])
  }

  @Test func ofTwoAtOnceOneIsHome() throws {
    let nodes = try HostPair(nodeCount: 3)
    // Node 1 has begun with its fault, and node 2 is faster.
    try nodes.during {
      try nodes.write(1, page: 5, 1)
    } meanwhile: {
      try nodes.write(2, page: 5, at: 1, 2)
      return true
    }
    #expect(
      home(nodes) == 2 + 1 && nodes.state(2, page: 5) == .homeDirty && nodes.state(1, page: 5) == .dirty)
    try nodes.engines[1].release()
    #expect(try (0..<3).map { try nodes.read(2, page: 5, at: $0) } == [1, 2, 0])
  }
}
