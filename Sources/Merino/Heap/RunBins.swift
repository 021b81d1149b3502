// Free runs of pages by length: two-level segregated fit. The first level is the power of two, the
// second an eighth of it; below 8 pages a bin holds one length. Finding, linking and unlinking
// take a constant number of steps; every link that is followed is checked from both sides first.

/// The bin of a run of a certain length.
struct RunBin: BitwiseCopyable {
  let first: Int
  let second: Int

  static var firstCount: Int { 32 }
  static var secondCount: Int { 8 }
  var index: Int { first * Self.secondCount + second }

  /// Where a run of `pages` (>= 1) is kept.
  init(keeping pages: Int) {
    let log = 63 - pages.leadingZeroBitCount
    first = log < 3 ? 0 : log - 2
    second = log < 3 ? pages : (pages >> (log - 3)) & 7
  }

  /// The first bin all of whose runs have at least `pages`.
  init(sufficingFor pages: Int) {
    let log = 63 - pages.leadingZeroBitCount
    self.init(keeping: log < 3 ? pages : pages + (1 << (log - 3)) - 1)
  }

  init(first: Int, second: Int) {
    self.first = first
    self.second = second
  }
}

extension SharedHeap {
  func binHead(_ bin: RunBin) -> Int { Int(truncatingIfNeeded: word(HeaderField.bin(bin.index))) &- 1 }

  func setBinHead(_ bin: RunBin, _ page: Int) {
    setWord(HeaderField.bin(bin.index), UInt64(truncatingIfNeeded: page + 1))
    let levels = HeaderField.secondLevel(bin.first)
    let seconds = word(levels) & ~(1 << bin.second) | (page >= 0 ? 1 << bin.second : 0)
    setWord(levels, seconds)
    let firsts = word(HeaderField.firstLevels) & ~(1 << bin.first) | (seconds != 0 ? 1 << bin.first : 0)
    setWord(HeaderField.firstLevels, firsts)
  }

  /// The smallest bin from `bin` on that has a run.
  func firstBin(from bin: RunBin) -> RunBin? {
    guard bin.first < RunBin.firstCount else { return nil }
    let here = word(HeaderField.secondLevel(bin.first)) & 0xFF & (~0 << UInt64(bin.second))
    if here != 0 { return RunBin(first: bin.first, second: here.trailingZeroBitCount) }
    let above = word(HeaderField.firstLevels) & 0xFFFF_FFFF & (~0 << UInt64(bin.first + 1))
    guard above != 0 else { return nil }
    let first = above.trailingZeroBitCount
    let seconds = word(HeaderField.secondLevel(first)) & 0xFF
    return seconds == 0 ? nil : RunBin(first: first, second: seconds.trailingZeroBitCount)
  }

  /// The record of a page that should begin a free run inside the region.
  func freeHead(_ page: Int) throws(HeapError) -> PageRecord {
    guard page >= 0 && page < geometry.pageCount else { throw .corrupt(offset: HeaderField.bins) }
    let head = record(page)
    guard head.kind == .freeHead && head.value >= 1 && head.value <= geometry.pageCount - page else {
      throw corrupt(record: page)
    }
    return head
  }

  /// The first run of a bin that has one.
  func firstRun(_ bin: RunBin) throws(HeapError) -> (page: Int, head: PageRecord) {
    let page = binHead(bin)
    let head = try freeHead(page)
    // With `next` looking back too, this also makes sure that no list is a ring.
    guard head.previous < 0 else { throw corrupt(record: page) }
    return (page, head)
  }

  /// The run after `head` in its bin, nil at the end.
  func next(_ page: Int, _ head: PageRecord) throws(HeapError) -> (page: Int, head: PageRecord)? {
    guard head.next >= 0 else { return nil }
    let next = try freeHead(head.next)
    guard next.previous == page else { throw corrupt(record: page) }
    return (head.next, next)
  }

  /// Makes `pages` pages from `page` a free run. Its neighbours are not free.
  func link(_ page: Int, _ pages: Int) throws(HeapError) {
    let bin = RunBin(keeping: pages)
    let following = binHead(bin)
    if following >= 0 {
      var other = try freeHead(following)
      guard other.previous < 0 else { throw corrupt(record: following) }
      other.previous = page
      setRecord(following, other)
    }
    var head = PageRecord(.freeHead, value: pages, flags: record(page).flags)
    head.next = following
    head.previous = -1
    setRecord(page, head)
    setBinHead(bin, page)
    let last = page + pages - 1
    if last == geometry.pageCount - 1 {
      setWord(HeaderField.tailRun, UInt64(page + 1))
    } else if pages > 1 {
      setRecord(last, PageRecord(.freeTail, value: pages, flags: record(last).flags))
    }
  }

  /// Takes the free run at `page` out of its bin; its pages have no kind afterwards.
  func unlink(_ page: Int, _ head: PageRecord) throws(HeapError) {
    let bin = RunBin(keeping: head.value)
    let following = try next(page, head)
    let previous = head.previous
    if previous >= 0 {
      var before = try freeHead(previous)
      guard before.next == page else { throw corrupt(record: previous) }
      before.next = head.next
      setRecord(previous, before)
    } else {
      guard binHead(bin) == page else { throw .corrupt(offset: HeaderField.bin(bin.index)) }
      setBinHead(bin, head.next)
    }
    if let following {
      var after = following.head
      after.previous = previous
      setRecord(following.page, after)
    }
    clearRecord(page)
    let last = page + head.value - 1
    if last == geometry.pageCount - 1 {
      setWord(HeaderField.tailRun, 0)
    } else if head.value > 1 {
      clearRecord(last)
    }
  }
}
