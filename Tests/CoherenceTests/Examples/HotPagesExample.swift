import Fabric
import Platform
import Testing

@testable import Coherence

/// A page that a node writes behind each of its releases stays writable (docs/protocol.md, section 3). Node 1
/// is home of page 5, of which node 0 writes byte 0 and node 1 byte 1.
@Suite struct HotPagesExample {
  private let pair: HostPair
  private var writer: Engine<HostPair.Setting> { pair.engines[0] }
  private var home: Engine<HostPair.Setting> { pair.engines[1] }

  init() throws {
    pair = try HostPair { $0.mechanisms.remove(.exclusiveAtRelease) }
    try pair.write(1, page: 5, at: 1, 1)
    try pair.engines[1].release()
    // Three releases that find it written.
    for value in UInt8(1)..<4 {
      if pair.state(0, page: 5) != .dirty { try pair.write(0, page: 5, at: 0, value) }
      pair.store(0, page: 5, at: 0, value)
      try pair.engines[0].release()
    }
  }

  @Test func aPageThatIsWrittenAllTheTimeStaysWritable() throws {
    #expect(pair.state(0, page: 5) == .dirty && writer.count(.hotPages) == 1)
    let faults = writer.count(.writeFaults)
    for value in UInt8(4)..<20 {
      pair.store(0, page: 5, at: 0, value)
      try writer.release()
      #expect(pair.load(1, page: 5, at: 0) == value)
    }
    #expect(writer.count(.writeFaults) == faults && writer.count(.hotPages) == 17)
    #expect(writer.count(.diffBytes) == 19 && writer.count(.noticesSent) == 19)
  }

  @Test func aNoticeBringsTheBytesOfOthersIn() throws {
    pair.store(0, page: 5, at: 0, 40)
    try pair.write(1, page: 5, at: 1, 41)
    try home.release()
    try writer.acquireAll()
    // Not dropped, and this node's byte, which is not placed yet, is as it was stored.
    #expect(pair.state(0, page: 5) == .dirty && writer.count(.invalidations) == 0)
    #expect(pair.load(0, page: 5, at: 0) == 40 && pair.load(0, page: 5, at: 1) == 41)
    // Only its own byte is in its next diff.
    let bytes = writer.count(.diffBytes)
    try writer.release()
    #expect(writer.count(.diffBytes) == bytes + 1 && pair.load(1, page: 5, at: 0) == 40)
  }

  @Test func onePageThatIsNotWrittenAnyMoreCools() throws {
    for _ in 0..<3 {
      try writer.release()
      #expect(pair.state(0, page: 5) == .dirty)
    }
    let notices = writer.count(.noticesSent)
    try writer.release()
    #expect(pair.state(0, page: 5) == .clean && writer.count(.noticesSent) == notices)
    // As before it was hot: the next notice drops it.
    try pair.write(1, page: 5, at: 1, 50)
    try home.release()
    try writer.acquireAll()
    #expect(pair.state(0, page: 5) == .invalid)
  }

  @Test func atomicsDropIt() throws {
    pair.store(0, page: 5, at: 0, 60)
    let address = pair.configuration.byteOffset(of: 5) + 8
    #expect(try writer.atomic(.fetchAdd(1), at: address) == 0)
    #expect(pair.state(0, page: 5) == .invalid && pair.load(1, page: 5, at: 0) == 60)
  }

  /// At home: node 0 reads what node 1 writes, again and again.
  @Test func aHomeThatIsReadAllTheTimeStaysWritable() throws {
    let pair = try HostPair()
    let (reader, home) = (pair.engines[0], pair.engines[1])
    for value in UInt8(1)..<12 {
      if pair.state(1, page: 5) == .homeExclusive || pair.state(1, page: 5) == .homeDirty {
        pair.store(1, page: 5, at: 0, value)
      } else {
        try pair.write(1, page: 5, value)
      }
      try home.release()
      try reader.acquireAll()
      #expect(try pair.read(0, page: 5) == value)
    }
    #expect(pair.state(1, page: 5) == .homeExclusive && home.count(.writeFaults) == 3)
    // Written no more: protected at the next look, and noticed this once.
    let notices = home.count(.noticesSent)
    try home.release()
    #expect(pair.state(1, page: 5) == .homeTracked && home.count(.noticesSent) == notices + 1)
  }

  @Test func aBoundedNumberOfPagesIsHot() throws {
    let pair = try HostPair { $0.hotPageCount = 2 }
    for page in PageRange(0, count: 8).by(2) { try pair.write(1, page: page, 1) }
    try pair.engines[1].release()
    for value in UInt8(2)..<8 {
      for page in PageRange(0, count: 8).by(2) { try pair.write(0, page: page, at: 1, value) }
      try pair.engines[0].release()
    }
    let dirty = PageRange(0, count: 8).by(2).filter { pair.state(0, page: $0) == .dirty }
    #expect(dirty.count == 2)
  }
}
