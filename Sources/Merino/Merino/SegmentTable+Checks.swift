import Coherence
import Fabric
import Node

// The table lies in node 0's memory: what is read there becomes ranges of pages and addresses of views here,
// so it is looked at first.

extension SegmentTable {
  /// The number of entries that there ever were, as the table's first word says.
  func checkedCount(_ word: UInt64) throws(EngineError) -> Int {
    guard word <= UInt64(engine.configuration.shapeCount) else {
      throw engine.bad(.segmentCount, of: 0, word)
    }
    return Int(word)
  }

  /// `words`: 16 an entry.
  func check(entries words: [UInt64]) throws(EngineError) {
    for first in stride(from: 0, to: words.count, by: SegmentEntry.wordCount) {
      if let bad = badWord(ofEntry: words[first..<first + SegmentEntry.wordCount]) {
        throw engine.bad(.segmentEntry, of: 0, bad)
      }
    }
  }

  /// The first of its words that says what no node writes; `nil` where all are right.
  private func badWord(ofEntry slice: ArraySlice<UInt64>) -> UInt64? {
    let w = Array(slice)
    guard let state = SegmentEntry.State(rawValue: w[0] & 0xFF) else { return w[0] }
    if state == .free { return nil }
    // A name ends within its bytes.
    if w[15] >> 56 != 0 { return w[15] }
    if state == .namedLock {
      let handle = ObjectHandle(raw: w[1])
      return handle.kind == .lock && handle.id < engine.configuration.lockCount ? nil : w[1]
    }
    let c = engine.configuration
    let pageLimit = UInt64(c.pageCount)
    if w[2] >= pageLimit || w[2] & UInt64(c.chunkPageCount - 1) != 0 { return w[2] }
    // Counted up and down: nobody has so many views.
    if w[5] > UInt64(UInt32.max) { return w[5] }
    if w[3] == 0 || w[3] > pageLimit - w[2] { return w[3] }
    let (unitShift, placement, node) = (w[4] & 0xFF, w[4] >> 8 & 0xFF, w[4] >> 16)
    if unitShift > UInt64(c.chunkShift) || w[3] & ((1 << unitShift) - 1) != 0
      || SegmentShape.Placement(rawValue: UInt8(placement)) == nil || node >= UInt64(c.nodeCount)
    {
      return w[4]
    }
    // The heap's entry counts no bytes.
    return w[1] <= w[3] << UInt64(c.pageShift) ? nil : w[1]
  }
}
