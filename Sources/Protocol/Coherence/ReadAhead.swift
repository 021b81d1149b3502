import Fabric
import Platform

// Read-ahead: sequential read faults open a growing window, as the kernel's does; the window's READs
// ride in the doorbells of the faulting page's.

extension Engine {
  /// The pages after `unit` worth bringing along: empty unless faults were sequential. Streams are
  /// hints, kept in a few words that threads change without care for each other.
  @inlinable
  func readAhead(_ unit: Unit) -> PageRange {
    let none = unit.pages.upperBound..<unit.pages.upperBound
    guard let shape = pages.shape(of: unit.page) else { return none }
    // One of the window's units is the faulting one.
    let longest = min(configuration.readAhead.unitCount(byteCount(unit)), WindowLimit.longestUnitCount - 1)
    return longest == 0 ? none : inOrder(unit, .read, least: 2, longest: longest, shape)
  }

  /// The pages behind `unit`, up to `limit`, where the faults of a stream come one behind the other: `least`
  /// units at first, each time twice as many as before, at most `longest`.
  @inlinable
  func inOrder(
    _ unit: Unit, _ access: Access, least: Int, longest: Int, limit: Page = Page(Int.max),
    _ shape: SegmentShape
  ) -> PageRange {
    let count = LocalState<E.W>.streamCount
    let first = access == .read ? 0 : count
    for index in first..<first + count {
      let stream = local.stream(index)
      let expected = Page(Int(stream.next.loadRelaxed()) - 1)
      guard expected >= 0, unit.page >= expected, unit.page < expected + 2 * unit.count else { continue }
      let rest = stream.closed.loadRelaxed()
      let width = rest > 0 ? 0 : min(max(Int(stream.width.loadRelaxed()) * 2, least), longest)
      stream.closed.storeRelaxed(rest == 0 ? 0 : rest - 1)
      return open(stream, width, behind: unit, limit, shape)
    }
    for index in first..<first + count {
      let stream = local.stream(index)
      guard unit.page < Page(Int(stream.next.loadRelaxed()) - 1), stream.width.loadRelaxed() > 0,
        unit.page >= Page(Int(stream.first.loadRelaxed()))
      else { continue }
      // Within its last window. A window of reads leaves out what would cost a round trip more: it goes on
      // from there. One of writes is gone before it was used, as between locks that follow each other, and
      // the stream opens no more of them for a while.
      let width = access == .read ? Int(stream.width.loadRelaxed()) : 0
      if width == 0 { stream.closed.storeRelaxed(UInt64(Self.closedFaultCount)) }
      return open(stream, width, behind: unit, limit, shape)
    }
    let victim = local.stream(first + Int(local.streamClock.fetchAdd(1)) % count)
    victim.closed.storeRelaxed(0)
    return open(victim, 0, behind: unit, limit, shape)
  }

  /// The next window of a stream, of so many units.
  @inlinable
  func open(
    _ stream: StreamRecord<E.W>, _ width: Int, behind unit: Unit, _ limit: Page, _ shape: SegmentShape
  ) -> PageRange {
    let begin = unit.pages.upperBound
    let end = Page.max(begin, .min(limit, clip(begin + width * unit.count, unit, shape)))
    stream.width.storeRelaxed(UInt64(width))
    stream.first.storeRelaxed(UInt64(begin.number))
    stream.next.storeRelaxed(UInt64(end.number + 1))
    return begin..<end
  }

  /// Faults of a stream that open no window behind one that was for nothing.
  @inlinable static var closedFaultCount: Int { 32 }

  /// A window stays in the segment and in the chunk, which is registered for the faulting page.
  @inlinable
  func clip(_ end: Page, _ unit: Unit, _ shape: SegmentShape) -> Page {
    let chunkEnd = configuration.pages(of: configuration.chunk(of: unit.page)).upperBound
    return .max(unit.pages.upperBound, .min(.min(end, chunkEnd), shape.pages.upperBound))
  }

  /// Looks up `unit` and, in the same READ, the units of `ahead` whose words lie behind its own.
  @inlinable
  func locateBlock(
    _ unit: Unit, _ ahead: PageRange, _ w: Workspace<E.W>
  ) throws(EngineError) -> Located {
    let end = Page.max(unit.page + 1, .min(ahead.upperBound, ControlLayout.blockEnd(unit.page)))
    let shard = directoryWord(unit.page)
    var batch = fabric.open(shard.node, lane: lane(unit.page))
    let bulk = Workspace<E.W>.bulkIndex
    read(&batch, shard.word.span(count: end - unit.page), of: shard.node, into: w.result(bulk))
    try complete(batch, w)
    var page = unit.pages.upperBound
    while page < end {
      let home = try home(w.resultValue(bulk + (page - unit.page)), in: shard.node)
      if home >= 0 { storeHintIfIdle(page, home) }
      page += unit.count
    }
    let home = try home(w.resultValue(bulk), in: shard.node)
    return home < 0 ? .unclaimed : .home(home)
  }

  @inlinable
  func storeHintIfIdle(_ page: Page, _ home: NodeID) {
    let old = pages.load(page)
    guard old.state == .invalid, !old.isLocked, old.home < 0 else { return }
    _ = attempt(.learnHome, page, from: old, told: home)
  }

  /// Fetches `unit` from `home` together with the invalid units of `ahead` whose homes are known.
  @inlinable
  func fetchWindow(
    _ unit: Unit, _ home: NodeID, _ ahead: PageRange, forWriting: Bool, _ view: ViewID, _ w: Workspace<E.W>
  ) throws(EngineError) {
    try ensureRegistered(configuration.chunk(of: unit.page))
    _ = try homeFrame(unit.page, home: home, w)
    ensure(
      configuration.chunk(of: unit.page) == configuration.chunk(of: ahead.upperBound - 1),
      .windowInChunk,
      unit.page)
    storeHint(unit, home)
    clearPoison(unit)
    // Bit i: the i-th unit from `unit` on is being fetched by this thread.
    // The last unit may be cut by the end of what is prefetched.
    let windowCount = 1 + (ahead.count + unit.count - 1) / unit.count
    precondition(windowCount <= WindowLimit.longestUnitCount, "a window of more units than a word has bits")
    var taken: UInt64 = 1
    for index in 1..<windowCount where takeForReadAhead(unit.page + index * unit.count) {
      taken |= 1 << UInt64(index)
    }
    do throws(EngineError) {
      try readWindow(unit, taken, w)
    } catch {
      abandonWindow(unit, taken & ~1)
      throw error
    }
    add(.readAheadPages, taken.nonzeroBitCount - 1)
    if mapWindow(unit, taken, forWriting: forWriting, view) { return }
    // Poisoned meanwhile: the faulting unit itself starts over, alone.
    try fetch(unit, home, forWriting: forWriting, view, w)
  }

  @inlinable
  func takeForReadAhead(_ page: Page) -> Bool {
    let old = pages.load(page)
    guard old.state == .invalid, !old.isLocked, old.home >= 0, old.home != node,
      local.peerKey(old.home, configuration.chunk(of: page)).loadRelaxed() != 0
    else { return false }
    guard case .some = attempt(.beginFetch, page, from: old) else { return false }
    execution.interleave(#line)
    pages.cached.insertIfAbsent(page)
    return true
  }

  /// Neighbouring units of the same home, lane and block come by one READ, behind one WRITE of their marks;
  /// one batch for each home and lane in turn, all in flight together.
  @inlinable
  func readWindow(_ unit: Unit, _ taken: UInt64, _ w: Workspace<E.W>) throws(EngineError) {
    ensureFrameRegistered(unit.page)
    var rest = taken
    var home = NodeID.none
    var lane: Lane = -1
    var batch = fabric.open(pages.load(unit.page).home, lane: self.lane(unit.page))
    while rest != 0 {
      let stretch = nextStretch(unit, &rest)
      let nextHome = pages.load(stretch.lowerBound).home
      let nextLane = self.lane(stretch.lowerBound)
      if home >= 0 && (nextHome != home || nextLane != lane) {
        fabric.submit(batch, w.flight)
        batch = fabric.open(nextHome, lane: nextLane)
      }
      home = nextHome
      lane = nextLane
      let key = local.peerKey(home, configuration.chunk(of: stretch.lowerBound)).loadRelaxed()
      let from = RemoteAddress(
        address: fabric.framesAddress(of: home) + UInt64(configuration.byteOffset(of: stretch.lowerBound)),
        key: UInt32(truncatingIfNeeded: key))
      writeMarks(&batch, stretch, home: home, w)
      fabric.read(
        &batch, from: from, into: frame(stretch.lowerBound),
        byteCount: stretch.count << configuration.pageShift)
    }
    try complete(batch, w)
    add(.pagesFetched, taken.nonzeroBitCount)
    add(.bytesFetched, taken.nonzeroBitCount * byteCount(unit))
  }

  /// Takes the lowest units off `rest` (bit i: the i-th unit from `unit` on) that one READ can bring: next to
  /// each other, in one chunk as the whole window is, with the same home, lane and block of marks. Their
  /// pages.
  @inlinable
  func nextStretch(_ unit: Unit, _ rest: inout UInt64) -> PageRange {
    let first = rest.trailingZeroBitCount
    let low = unit.page + first * unit.count
    let home = pages.load(low).home
    var end = first + 1
    while end < 64, rest & (1 << UInt64(end)) != 0 {
      let next = unit.page + end * unit.count
      guard pages.load(next).home == home, lane(next) == lane(low),
        next.block == low.block
      else { break }
      end += 1
    }
    // Bits first ..< end; a shift by 64 gives none.
    rest &= ~0 << UInt64(end)
    return low..<unit.page + end * unit.count
  }

  /// Maps what arrived and was not poisoned, contiguous units by one raise. False where the first
  /// unit was poisoned; it is still `fetching` then.
  @inlinable
  func mapWindow(_ unit: Unit, _ taken: UInt64, forWriting: Bool, _ view: ViewID) -> Bool {
    let ahead = taken & ~1
    let first = finishInWindow(unit, forWriting: forWriting)
    var finished: UInt64 = first ? 1 : 0
    var rest = ahead
    while rest != 0 {
      let bit = rest & ~(rest - 1)
      rest &= rest - 1
      let other = Unit(page: unit.page + bit.trailingZeroBitCount * unit.count, count: unit.count)
      if finishInWindow(other, forWriting: forWriting) { finished |= bit } else { abandonFetch(other) }
    }
    rest = finished
    while rest != 0 {
      let start = rest.trailingZeroBitCount
      let length = (~(rest >> UInt64(start))).trailingZeroBitCount
      let low = unit.page + start * unit.count
      raiseFetched(low..<low + length * unit.count, forWriting ? .readWrite : .read, view)
      for i in 0..<length { unlock(Unit(page: low + i * unit.count, count: unit.count)) }
      rest = start + length >= 64 ? 0 : rest & (~0 << UInt64(start + length))
    }
    return first
  }

  /// As `finishFetch`; a unit that is fetched for writing has its twin before anybody can write it, and is on
  /// the dirty list.
  @inlinable
  func finishInWindow(_ unit: Unit, forWriting: Bool) -> Bool {
    if forWriting { copyTwin(unit) }
    execution.interleave(#line)
    guard finishFetch(unit, forWriting: forWriting) else { return false }
    execution.interleave(#line)
    if forWriting { pages.dirty.insert(unit.page) }
    return true
  }

  @inlinable
  func abandonWindow(_ unit: Unit, _ taken: UInt64) {
    var rest = taken
    while rest != 0 {
      abandonFetch(Unit(page: unit.page + rest.trailingZeroBitCount * unit.count, count: unit.count))
      rest &= rest - 1
    }
  }
}
