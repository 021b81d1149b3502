import Fabric
import Platform
import Testing

@testable import Coherence

/// Freed pages: their last user enters the range in a ring, the next barrier tells everybody, who forget
/// them; after the barrier behind that one the addresses may be used again (docs/protocol.md, section 8).
@Suite(.timeLimit(.minutes(1))) struct RetireExample {
  @Test func addressesLiveAgainAfterTwoBarriers() throws {
    let nodes = try HostPair(nodeCount: 3)
    // The first life of pages 16 ..< 32: node 2 is home of page 20, node 1 has a copy.
    try nodes.write(2, page: 20, 1)
    try nodes.barrier()
    #expect(try nodes.read(1, page: 20) == 1)
    // The last user gives them back.
    let position = try #require(try nodes.engines[1].retire(16..<32))
    func remnants() -> [String?] { nodes.engines.map { $0.remnant(ofFreed: 16..<32).map { "\($0)" } } }
    #expect(remnants() != [nil, nil, nil])
    // All forget at this barrier, each when it is there; so only the next one is behind the last of them.
    try nodes.barrier()
    #expect(remnants() == [nil, nil, nil])
    #expect(!nodes.engines.contains { $0.isReusable(position) })
    try nodes.barrier()
    #expect(nodes.engines.allSatisfy { $0.isReusable(position) })
    // The second life begins with zeros and no home: node 0 is the first to write.
    #expect(try nodes.read(1, page: 20) == 0)
    try nodes.write(0, page: 20, at: 1, 7)
    try nodes.barrier()
    #expect(try (0..<2).map { try nodes.read(1, page: 20, at: $0) } == [0, 7])
    #expect(nodes.engines.map { $0.pages.load(20).home }.prefix(2) == [0, 0])
  }
}
