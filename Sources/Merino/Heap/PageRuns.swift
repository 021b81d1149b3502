import Platform

// Runs of pages: blocks that are too large for a slab, and the slabs themselves.

extension SharedHeap {
  /// The first page from `page` on whose address is a multiple of `alignment`, a power of two.
  func alignedPage(_ page: Int, _ alignment: Int) -> Int {
    guard alignment > HeapGeometry.pageByteCount else { return page }
    let address = UInt(bitPattern: base + geometry.offset(ofPage: page))
    let gap = (0 &- address) & UInt(alignment - 1)
    return page + Int(gap >> UInt(HeapGeometry.pageShift))
  }

  /// Reserves `pages` pages (at least 1) at a multiple of `alignment`; nil if no free run holds them.
  /// The caller gives the pages their records.
  func takeRun(_ pages: Int, alignment: Int) throws(HeapError) -> Int? {
    if isAllocationRefused() { return nil }
    guard pages <= geometry.pageCount, let (page, head) = try findRun(pages, alignment) else { return nil }
    try unlink(page, head)
    let start = alignedPage(page, alignment)
    let end = page + head.value
    if start > page { try link(page, start - page) }
    if end > start + pages { try link(start + pages, end - start - pages) }
    add(HeaderField.pagesReserved, pages)
    noteTouched(start + pages)
    return start
  }

  /// Pages up to `end` are somebody's, or have been.
  func noteTouched(_ end: Int) {
    if Int(truncatingIfNeeded: word(HeaderField.untouchedPage)) < end {
      setWord(HeaderField.untouchedPage, UInt64(truncatingIfNeeded: end))
    }
  }

  /// Where memory begins that nobody has ever had: it is zero, and has no home. Under the global lock; what
  /// is allocated under it afterwards begins to be used then.
  public var untouched: UnsafeMutableRawPointer {
    let page = Int(truncatingIfNeeded: word(HeaderField.untouchedPage))
    return base + geometry.offset(ofPage: min(max(page, 0), geometry.pageCount))
  }

  func fits(_ page: Int, _ head: PageRecord, _ pages: Int, _ alignment: Int) -> Bool {
    alignedPage(page, alignment) + pages <= page + head.value
  }

  /// A free run that holds `pages` aligned pages. One step where a whole bin suffices; only when
  /// no such bin has a run are the lists searched that may have one, so that nil means that none is there.
  func findRun(_ pages: Int, _ alignment: Int) throws(HeapError) -> (Int, PageRecord)? {
    let lost = alignment > HeapGeometry.pageByteCount ? (alignment >> HeapGeometry.pageShift) - 1 : 0
    if lost < geometry.pageCount, let bin = firstBin(from: RunBin(sufficingFor: pages + lost)) {
      let (page, head) = try firstRun(bin)
      guard fits(page, head, pages, alignment) else { throw corrupt(record: page) }
      return (page, head)
    }
    var bin = firstBin(from: RunBin(keeping: pages))
    while let current = bin {
      var candidate: (page: Int, head: PageRecord)? = try firstRun(current)
      while let (page, head) = candidate {
        if fits(page, head, pages, alignment) { return (page, head) }
        candidate = try next(page, head)
      }
      let isLast = current.second == RunBin.secondCount - 1
      bin = firstBin(
        from: RunBin(first: current.first + (isLast ? 1 : 0), second: isLast ? 0 : current.second + 1))
    }
    return nil
  }

  /// Gives pages back, joined with the free runs beside them. Their records have no kind any more.
  func releaseRun(_ page: Int, _ pages: Int) throws(HeapError) -> FreedRun {
    var (start, count) = (page, pages)
    let after = page + pages
    if after < geometry.pageCount && record(after).kind == .freeHead {
      let head = try freeHead(after)
      try unlink(after, head)
      count += head.value
    }
    if let before = try freeRun(endingBefore: page) {
      let head = try freeHead(before)
      try unlink(before, head)
      start = before
      count += head.value
    }
    try link(start, count)
    add(HeaderField.pagesReserved, -pages)
    return FreedRun(
      freed: extent(page, pages), run: extent(start, count))
  }

  /// First page of the free run whose last page is the one before `page`.
  func freeRun(endingBefore page: Int) throws(HeapError) -> Int? {
    guard page > 0 else { return nil }
    let last = record(page - 1)
    switch last.kind {
    case .freeHead where last.value == 1: return page - 1
    case .freeTail:
      let start = page - last.value
      guard last.value > 1, start >= 0, try freeHead(start).value == last.value else {
        throw corrupt(record: page - 1)
      }
      return start
    case .freeHead, nil: throw corrupt(record: page - 1)
    default: return nil
    }
  }

  func extent(_ page: Int, _ pages: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: base + geometry.offset(ofPage: page), count: pages << HeapGeometry.pageShift)
  }
}

/// Pages that came back to the heap. Their contents mean nothing any more: whoever calls the heap may
/// give their memory back, as long as it reads as zeros or as anything else afterwards.
public struct FreedRun: @unchecked Sendable {
  /// The pages that became free just now.
  public let freed: UnsafeMutableRawBufferPointer
  /// The free run that they are part of now, neighbours included.
  public let run: UnsafeMutableRawBufferPointer
}
