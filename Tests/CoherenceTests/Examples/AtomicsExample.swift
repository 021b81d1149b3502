import Fabric
import Platform
import Testing

@testable import Coherence

/// Atomics act on the home's frame, and no copy may hide it from the node that performs one; they order
/// nothing, so others see the word by a notice, as all writes (docs/protocol.md, section 8).
@Suite struct AtomicsExample {
  @Test func atomicsActAtTheHome() throws {
    let nodes = try HostPair(nodeCount: 3)
    let address = 5 << nodes.configuration.pageShift
    // Node 1 is home; nodes 0 and 2 have copies, node 0 has written its own, beside the word.
    try nodes.write(1, page: 5, 40)
    try nodes.engines[1].release()
    for node in [0, 2] as [NodeID] { #expect(try nodes.read(node, page: 5) == 40) }
    try nodes.write(0, page: 5, at: 8, 7)
    // The copy goes first, its diff to the home.
    #expect(try nodes.engines[0].atomic(.fetchAdd(2), at: address) == 40)
    #expect(nodes.state(0, page: 5) == .invalid)
    #expect(try [0, 8].map { try nodes.read(1, page: 5, at: $0) } == [42, 7])
    // Another node's plain load sees it behind a release and an acquire only.
    #expect(try nodes.read(2, page: 5) == 40)
    try nodes.engines[0].release()
    try nodes.engines[2].acquireAll()
    #expect(try nodes.read(2, page: 5) == 42)
    // The same where the atomic is all that node 0 has done with the page.
    #expect(try nodes.engines[0].atomic(.compareExchange(expected: 42, desired: 50), at: address) == 42)
    #expect(try nodes.engines[2].atomic(.load, at: address) == 50)
    #expect(try nodes.read(2, page: 5) == 50)
    #expect(try nodes.engines[0].atomic(.exchange(60), at: address) == 50)
    try nodes.engines[0].release()
    try nodes.engines[2].acquireAll()
    #expect(try nodes.read(2, page: 5) == 60)
  }
}
