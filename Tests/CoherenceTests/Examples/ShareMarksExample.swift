import Fabric
import Platform
import Testing

@testable import Coherence

/// A home that is alone with its page pays nothing; who fetches it leaves a mark, and the home notices its
/// writes again (docs/protocol.md, section 5). Node 1 is home.
@Suite struct ShareMarksExample {
  @Test func aHomeIsExclusiveUntilSomebodyFetches() throws {
    let pair = try HostPair()
    let (reader, home) = (pair.engines[0], pair.engines[1])
    // Not at once: copies of the page's zeros have left no mark. Its first notice drops them.
    try pair.write(1, page: 5, 1)
    #expect(pair.state(1, page: 5) == .homeDirty)
    try home.release()
    #expect(pair.state(1, page: 5) == .homeExclusive && home.count(.noticesSent) == 1)
    // Alone: any number of writes and releases, and no notice.
    for value in UInt8(2)..<6 {
      try pair.write(1, page: 5, value)
      try home.release()
      #expect(pair.state(1, page: 5) == .homeExclusive && home.count(.noticesSent) == 1)
    }
    // Node 0 fetches, and marks the page before its READ. The next release finds the mark.
    #expect(try pair.read(0, page: 5) == 5)
    try pair.write(1, page: 5, 6)
    try home.release()
    #expect(pair.state(1, page: 5) == .homeTracked && home.count(.noticesSent) == 2)
    try reader.acquireAll()
    #expect(try pair.read(0, page: 5) == 6)
    // Fetched since the notice: a write is tracked, not exclusive.
    try pair.write(1, page: 5, 7)
    #expect(pair.state(1, page: 5) == .homeDirty)
  }

  /// A release leaves a page at home writable: there is one write fault in its life there, not two.
  @Test func aReleaseProtectsNothingThatNobodyFetched() throws {
    let pair = try HostPair()
    let (reader, home) = (pair.engines[0], pair.engines[1])
    #expect(try pair.read(0, page: 5) == 0)
    try pair.write(1, page: 5, 1)
    try home.release()
    // Without a fault: it is writable still. Node 0's zeros go with the one notice there is.
    pair.store(1, page: 5, at: 0, 2)
    #expect(home.count(.writeFaults) == 1 && home.count(.noticesSent) == 1)
    try home.release()
    try reader.acquireAll()
    #expect(try pair.read(0, page: 5) == 2 && home.count(.noticesSent) == 1)
    // Fetched before it is written next: what others read is protected again, as it always was.
    try home.release()
    #expect(pair.state(1, page: 5) == .homeTracked && home.count(.noticesSent) == 2)
  }
}
