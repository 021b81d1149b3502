import Fabric
import Platform
import Testing

@testable import Coherence

/// How much comes along with a page that faults, and with a prefetch: so many bytes, however the pages are
/// cut into units. Node 1 is home of 256 pages of 4 KiB, in one chunk; node 0 reads them.
@Suite struct ReadAheadTests {
  private func pair(unitShift: Int, _ change: (inout Configuration) -> Void) throws -> HostPair {
    let pair = try HostPair {
      $0.chunkShift = 8
      change(&$0)
    }
    let shape = SegmentShape(firstPage: 0, pageCount: 256, unitShift: unitShift)
    for engine in pair.engines { #expect(engine.pages.define(shape)) }
    try writeAll(pair, 1)
    return pair
  }

  private func writeAll(_ pair: HostPair, _ byte: UInt8) throws {
    for page in PageRange(0, count: 256) { try pair.write(1, page: page, byte) }
    try pair.engines[1].release()
    try pair.engines[0].acquireAll()
  }

  /// Reads all pages in order, one fault where there is no copy. Units that came along with each fault.
  private func readAll(_ pair: HostPair, _ unitShift: Int, _ byte: UInt8) throws -> [Int] {
    var windows: [Int] = []
    for page in PageRange(0, count: 256).by(1 << unitShift) where pair.state(0, page: page) == .invalid {
      let before = pair.engines[0].count(.readAheadPages)
      #expect(try pair.read(0, page: page) == byte)
      windows.append(Int(pair.engines[0].count(.readAheadPages) - before))
    }
    return windows
  }

  /// 64 KiB: 16 units of a page, 4 of four pages, one of 16, none of 64 pages.
  @Test(arguments: [(0, [0, 2, 4, 8, 16]), (2, [0, 2, 4]), (4, [0, 1]), (6, [0])])
  func sequentialFaultsBringALimitOfBytesAlong(_ unitShift: Int, _ growth: [Int]) throws {
    let pair = try pair(unitShift: unitShift) { $0.readAhead = WindowLimit(byteCount: 64 << 10) }
    _ = try readAll(pair, unitShift, 1)
    // Now homes and keys are known.
    try writeAll(pair, 2)
    let windows = try readAll(pair, unitShift, 2)
    #expect(windows.prefix(growth.count) == growth[...], "\(windows)")
    #expect(windows.max() == growth.last)
  }

  @Test(arguments: [(0, 16), (2, 4), (4, 1), (6, 1)])
  func aPrefetchBringsThemInWindowsOfALimitOfBytes(_ unitShift: Int, _ unitsOfWindow: Int) throws {
    let pair = try pair(unitShift: unitShift) { $0.prefetch = WindowLimit(byteCount: 64 << 10) }
    try pair.engines[0].prefetch(0..<256, view: 0)
    try writeAll(pair, 2)
    let before = pair.engines[0].count(.readAheadPages)
    try pair.engines[0].prefetch(0..<256, view: 0)
    #expect(PageRange(0, count: 256).by(1 << unitShift).allSatisfy { pair.state(0, page: $0) == .clean })
    // Of each window all but the first come along.
    let units = 256 >> unitShift
    let alongside = Int(pair.engines[0].count(.readAheadPages) - before)
    #expect(alongside == units - units / unitsOfWindow)
  }

  /// A word has a bit for each unit of a window: what a higher limit allows comes in more windows, and is not
  /// left out. Nor is what lies in another block than the window's first unit, where nobody has looked up the
  /// home; nor the last unit where the range ends within it.
  @Test(arguments: [0, 1, 2, 4, 5]) func aPrefetchLeavesNothingOut(_ unitShift: Int) throws {
    let pair = try pair(unitShift: unitShift) { $0.prefetch = WindowLimit(byteCount: 1 << 30) }
    for range in [0..<97, 96..<256] as [PageRange] {
      try pair.engines[0].prefetch(range, view: 0)
      for page in range {
        #expect(pair.state(0, page: page.roundedDown(to: 1 << unitShift)) == .clean, "page \(page)")
      }
    }
    let faults = pair.engines[0].count(.readFaults)
    #expect(try readAll(pair, unitShift, 1) == [])
    #expect(pair.engines[0].count(.readFaults) == faults)
  }

  /// Pages in turn at two homes, of which node 0 has read no key.
  @Test func aPrefetchKnowsTheKeysOfAllHomes() throws {
    let nodes = try HostPair(nodeCount: 3)
    for page in PageRange(0, count: 16) { try nodes.write(NodeID(1 + page.number % 2), page: page, 1) }
    for node in [1, 2] { try nodes.engines[node].release() }
    try nodes.engines[0].acquireAll()
    let shape = SegmentShape(firstPage: 0, pageCount: 16)
    #expect(nodes.engines[0].pages.define(shape))
    try nodes.engines[0].prefetch(0..<16, view: 0)
    #expect((0..<16).allSatisfy { nodes.state(0, page: $0) == .clean })
  }
}
