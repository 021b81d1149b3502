import Fabric
import Platform
import Testing

@testable import Coherence

/// A write notice says which pages a node has changed: a range of whole units in a word (docs/protocol.md,
/// section 3).
@Suite struct WriteNoticeExample {
  @Test func aRangeOfUnitsIsOneWord() {
    let notice = WriteNotice(page: 32, count: 8, unitPages: 8, atHome: true)
    #expect(notice.pages == 32..<40 && notice.unitPages == 8 && notice.atHome)
    #expect(WriteNotice(raw: notice.raw) == notice)
  }

  @Test func neighboursBecomeOneNotice() {
    let notice = WriteNotice(page: 4, count: 1, unitPages: 1, atHome: false)
    #expect(notice.extended(by: Unit(page: 5, count: 1), atHome: false)?.pages == 4..<6)
    // Not beside it; of another kind; of another unit.
    #expect(notice.extended(by: Unit(page: 6, count: 1), atHome: false) == nil)
    #expect(notice.extended(by: Unit(page: 5, count: 1), atHome: true) == nil)
    #expect(notice.extended(by: Unit(page: 5, count: 2), atHome: false) == nil)
  }

  /// So a node that writes a hundred pages in order tells of them in one entry of its log.
  @Test func aReleaseOfManyPagesTakesOneEntry() throws {
    let pair = try HostPair()
    for page in PageRange(0, count: 100) { try pair.write(1, page: page, 1) }
    try pair.engines[1].release()
    #expect(pair.engines[1].logHead.load() == 1 && pair.engines[1].count(.noticesSent) == 100)
    for page in [0, 99] as [Page] { #expect(try pair.read(0, page: page) == 1) }
  }
}
