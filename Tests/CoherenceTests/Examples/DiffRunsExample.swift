import Fabric
import Platform
import Testing

@testable import Coherence

/// A release sends home the bytes that differ from the twin, and never one that is equal: another node may be
/// writing it (docs/protocol.md, section 3).
@Suite struct DiffRunsExample {
  @Test func runsCoverWhatDiffersAndNothingElse() {
    let twin = [UInt8](repeating: 7, count: 256)
    var frame = twin
    // Two beside each other, one alone, one across the blocks of 64 that are compared at a time, the last.
    for byte in [3, 4, 6, 62, 63, 64, 65, 255] { frame[byte] = 8 }
    var runs = DiffRuns(frame: frame, twin: twin, byteCount: 256)
    var found: [Range<Int>] = []
    while let run = runs.run() { found.append(run) }
    #expect(found == [3..<5, 6..<7, 62..<66, 255..<256])
  }

  /// False sharing: two nodes write bytes of one page beside each other. Both survive at the home.
  @Test func twoWritersOfAPageDoNotDisturbEachOther() throws {
    let nodes = try HostPair(nodeCount: 3)
    try nodes.write(2, page: 5, at: 100, 1)
    try nodes.engines[2].release()
    try nodes.write(0, page: 5, at: 101, 10)
    try nodes.write(1, page: 5, at: 102, 11)
    #expect(nodes.state(0, page: 5) == .dirty && nodes.state(1, page: 5) == .dirty)
    for node in [0, 1] { try nodes.engines[node].release() }
    #expect(try (100...103).map { try nodes.read(2, page: 5, at: $0) } == [1, 10, 11, 0])
    #expect(nodes.engines[0].count(.diffBytes) == 1 && nodes.engines[1].count(.diffBytes) == 1)
  }
}
