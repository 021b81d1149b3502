import Fabric
import Platform
import Testing

@testable import Coherence

/// Packed fields at their limits: the largest values come back as they went in, and the next ones are refused
/// by an assertion, not cut. The table of them is in docs/protocol.md.
@Suite struct LimitTests {
  // MARK: Write notices

  @Test func theLargestNoticeComesBack() {
    let notice = WriteNotice(
      page: Page(1 << 36 - 1), count: WriteNotice.longestCount, unitPages: 1 << 15, atHome: true)
    #expect(notice.page == Page(1 << 36 - 1))
    #expect(notice.count == 0xFFFFF)
    #expect(notice.unitPages == 1 << 15)
    #expect(notice.atHome)
  }

  @Test func aNoticeDoesNotGrowBeyondItsField() {
    let almost = WriteNotice(page: 0, count: WriteNotice.longestCount - 1, unitPages: 1, atHome: false)
    let full = almost.extended(by: Unit(page: Page(WriteNotice.longestCount - 1), count: 1), atHome: false)
    #expect(full?.count == WriteNotice.longestCount)
    #expect(full?.extended(by: Unit(page: Page(WriteNotice.longestCount), count: 1), atHome: false) == nil)
  }

  @Test func largerNoticesAreRefused() async {
    await #expect(processExitsWith: .failure) {
      _ = WriteNotice(page: Page(1 << 36), count: 1, unitPages: 1, atHome: false)
    }
    await #expect(processExitsWith: .failure) {
      _ = WriteNotice(page: 0, count: WriteNotice.longestCount + 1, unitPages: 1, atHome: false)
    }
    await #expect(processExitsWith: .failure) {
      _ = WriteNotice(page: 0, count: 1, unitPages: 1 << 16, atHome: false)
    }
    await #expect(processExitsWith: .failure) {
      _ = WriteNotice(page: 0, count: 0, unitPages: 1, atHome: false)
    }
  }

  // MARK: Barriers

  @Test func theLargestContentOfABarriersWordComesBack() {
    for dissemination: UInt64 in [0, 0xFFFF, 0x1_0000, ~0] {
      let word = TaggedWord(1 << 48 - 1, of: dissemination)
      #expect(word.content == 1 << 48 - 1)
      #expect(word.belongs(to: dissemination))
      #expect(!word.belongs(to: dissemination &+ 1))
    }
    let message = BarrierMessage(word: (1 << 46 - 1) << 2 | 3)
    #expect(message.retired == 1 << 46 - 1)
    #expect(message.epochOverflowed && message.movesCancelled)
    #expect(BarrierMessage(word: message.word).retired == message.retired)
  }

  @Test func largerContentsAreRefused() async {
    await #expect(processExitsWith: .failure) { _ = TaggedWord(1 << 48, of: 1) }
    await #expect(processExitsWith: .failure) {
      var message = BarrierMessage()
      message.retired = 1 << 46
      _ = message.word
    }
  }

  // MARK: Moves

  @Test func theLargestEpochAndNodeOfANoticerComeBack() {
    for node in [0, 1023, 0xFFFD, Noticer.several] {
      let noticer = Noticer(epoch: 1 << 48 - 1, node: node)
      #expect(noticer.epoch == 1 << 48 - 1)
      #expect(noticer.node == node)
    }
    // No epoch has number 2^32 with the low bits of another.
    #expect(Noticer(epoch: 1 << 32, node: 1) != Noticer(epoch: 0, node: 1))
    #expect(Noticer(raw: 0).node == -1)
  }

  @Test func largerNoticersAreRefused() async {
    await #expect(processExitsWith: .failure) { _ = Noticer(epoch: 1 << 48, node: 0) }
    await #expect(processExitsWith: .failure) { _ = Noticer(epoch: 0, node: 0xFFFF) }
  }

  @Test func theLargestMoveComesBack() {
    let move = PlannedMove(page: Page(1 << 36 - 1), unitPages: 1 << 28 - 1)
    #expect(move.page == Page(1 << 36 - 1))
    #expect(move.unitPages == 1 << 28 - 1)
  }

  @Test func largerMovesAreRefused() async {
    await #expect(processExitsWith: .failure) { _ = PlannedMove(page: Page(1 << 36), unitPages: 1) }
    await #expect(processExitsWith: .failure) { _ = PlannedMove(page: 0, unitPages: 1 << 28) }
  }

  // MARK: Page words

  @Test func theLargestHomeComesBack() {
    let word = PageWord(0).withHome(0xFFFE)
    #expect(word.home == 0xFFFE)
    #expect(word.withHome(-1).raw == 0)
  }

  @Test func largerHomesAreRefused() async {
    await #expect(processExitsWith: .failure) {
      _ = PageWord(0).withHome(0xFFFF)
    }
  }

  // MARK: Slots

  /// A node has at most 65,536 of the program's; 1,024 nodes.
  @Test func theNameOfASlotComesBack() async throws {
    let pair = try HostPair()
    for slot in [0, 1, 65_535, 65_536 + 32 + 8, 1 << 32 - 1] {
      let name = pair.engines[1].slotName(slot)
      let place = pair.engines[0].waitSlot(name)
      #expect(place.node == 1)
      #expect(place.slot.next == pair.layout.lockSlot(slot).next)
    }
    await #expect(processExitsWith: .failure) { _ = try HostPair().engines[0].slotName(1 << 32) }
  }

  // MARK: Freed ranges

  /// An entry of the ring is two whole words: no range is too long for it. (2^28 pages once were forgotten as
  /// none.)
  @Test func freedRangesHaveWholeWords() {
    #expect(FreedRecord.byteCount == 16)
  }
}

/// Counters that pass a limit while two nodes go on as ever.
@Suite struct CounterTests {
  private func pair(_ set: (inout CounterStart) -> Void) throws -> HostPair {
    let pair = try HostPair()
    var start = CounterStart()
    set(&start)
    for engine in pair.engines { engine.startCounters(at: start) }
    return pair
  }

  /// Epoch 2^32 - 1 once trapped, an hour of bare barriers after joining.
  @Test func epochsGoOnBehind32Bits() throws {
    let pair = try pair { $0.epoch = 1 << 32 - 3 }
    for round in 0..<6 {
      try pair.write(1, page: 5, UInt8(round) + 1)
      _ = try pair.sealBoth()
      try pair.engines[0].acquireEpoch()
      try pair.engines[1].acquireEpoch()
      #expect(try pair.read(0, page: 5) == UInt8(round) + 1)
    }
    #expect(pair.engines[0].local.epoch.load() == 1 << 32 + 3)
  }

  @Test func logsGoOnBehind32Bits() throws {
    let pair = try pair { $0.logPosition = 1 << 32 - 3 }
    for round in 0..<6 {
      try pair.write(1, page: 5, UInt8(round) + 1)
      try pair.engines[1].release()
      try pair.engines[0].acquireAll()
      #expect(try pair.read(0, page: 5) == UInt8(round) + 1)
    }
    #expect(pair.engines[1].logHead.load() == 1 << 32 + 3)
  }

  /// A range as long as the whole field of 28 bits that it once had.
  @Test func aFreedRangeKeepsItsLength() throws {
    let pair = try pair { $0.retirePosition = 255 }
    for (number, range) in ([0..<16, 16..<64, 64..<256] as [PageRange]).enumerated() {
      let position = try #require(try pair.engines[1].retire(range))
      #expect(position == 255 + UInt64(number))
      #expect(try pair.engines[0].readRetired(position) == range)
    }
    // Beyond the capacity, so refused; but as it is, not cut.
    pair.word(0, pair.layout.freedRecord(255).words, 1).store(1 << 28)
    do throws(EngineError) {
      _ = try pair.engines[0].readRetired(255)
      Issue.record("a range of 2^28 pages was taken for a shorter one")
    } catch {
      #expect(error == .fabric(FabricFailure(bad: .freedRange, of: 0, value: 1 << 28)))
    }
  }
}
