import Fabric
import Platform
import Testing

@testable import Coherence

/// A pinned page stays accessible, for system calls: writes are found by comparison with the twin, and a
/// notice brings the others' bytes in under them (docs/protocol.md, section 8).
@Suite struct PinExample {
  @Test func aPinnedCopyStaysAndIsRefreshed() throws {
    let pair = try HostPair()
    let (here, home) = (pair.engines[0], pair.engines[1])
    try pair.write(1, page: 5, at: 0, 1)
    try home.release()
    try here.pin(5..<6, to: .readWrite, view: 0)
    // Stores without a fault from here on.
    pair.store(0, page: 5, at: 1, 2)
    try here.release()
    #expect(try pair.read(1, page: 5, at: 1) == 2)
    #expect(pair.state(0, page: 5) == .dirty)
    // The home writes, and this node has written again when the notice comes.
    try pair.write(1, page: 5, at: 2, 3)
    try home.release()
    pair.store(0, page: 5, at: 3, 4)
    try here.acquireAll()
    #expect(pair.state(0, page: 5) == .dirty)
    #expect((0..<5).map { pair.load(0, page: 5, at: $0) } == [1, 2, 3, 4, 0])
    // After the last unpin it is a page as any other.
    try here.unpin(5..<6)
    try here.release()
    #expect(pair.state(0, page: 5) == .clean && !here.pages.load(5).isPinned)
    #expect(try (0..<5).map { try pair.read(1, page: 5, at: $0) } == [1, 2, 3, 4, 0])
  }
}
