import Coherence
import Testing

@testable import Merino

/// An entry of the table of segments, as it lies in node 0's memory.
@Suite struct SegmentEntryTests {
  private func entry(_ state: SegmentEntry.State) -> SegmentEntry {
    var entry = SegmentEntry()
    (entry.state, entry.generation, entry.bytes) = (state, 1 << 40, 12_345)
    (entry.firstPage, entry.pageCount, entry.unitShift) = (Page(1 << 30), 512, 4)
    (entry.placement, entry.placementNode, entry.attachCount) = (.oneNode, 1023, 7)
    (entry.retirePosition, entry.name) = (~0, "a name, über")
    return entry
  }

  @Test(arguments: [.free, .live, .doomed, .retiring, .namedLock, .reserved] as [SegmentEntry.State])
  func itComesBack(_ state: SegmentEntry.State) {
    #expect(SegmentEntry(words: entry(state).words[...]) == entry(state))
  }

  @Test func theLongestNameComesBackAndEndsWithinItsBytes() {
    var entry = entry(.live)
    entry.name = String(repeating: "n", count: SegmentEntry.nameByteCount - 1)
    #expect(SegmentEntry(words: entry.words[...]).name == entry.name)
    #expect(entry.words[15] >> 56 == 0)
  }

  /// The heap's pages: taken, but not a segment, which a handle of generation 0 could name and the last
  /// view's end free.
  @Test func theHeapIsNoDestroyedSegment() {
    let shape = SegmentShape(firstPage: 0, pageCount: 512)
    let entry = SegmentEntry(reserving: shape, generation: 1)
    #expect(entry.shape == shape && entry.attachCount == 0 && entry.generation == 1)
    #expect(entry.state.hasPages && !entry.state.isSegment)
    #expect(SegmentEntry.State.namedLock.hasPages == false && SegmentEntry.State.retiring.isSegment == false)
  }
}
