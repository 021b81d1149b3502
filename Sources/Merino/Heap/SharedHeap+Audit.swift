/// What a walk over a whole heap found.
public struct HeapAudit: Sendable, Equatable {
  /// Free runs of pages; 1 when nothing is allocated.
  public var freeRuns = 0
  /// Pages of all free runs.
  public var freePages = 0
  /// Blocks of whole pages.
  public var pageBlocks = 0
  /// Slabs, each of one class.
  public var slabs = 0
  /// Blocks of slabs that are in use.
  public var slotsInUse = 0
  /// Blocks of slabs that are in some node's cache.
  public var slotsCached = 0
  /// Bytes of all blocks that are in use or cached.
  public var bytesOut = 0

  /// Nothing is allocated nor cached, and the free pages have coalesced.
  public var isEmpty: Bool { freeRuns == 1 && pageBlocks == 0 && slabs == 0 }
}

extension SharedHeap {
  /// Walks the whole heap and checks that its records, lists and counters agree. Under the global
  /// lock, and exact while no cache is being used. Touches every slab's header and the records of every run.
  ///
  /// - Throws: `corrupt` at the first contradiction.
  public func audit() throws(HeapError) -> HeapAudit {
    var audit = HeapAudit()
    var page = 0
    var followsFreeRun = false
    while page < geometry.pageCount {
      let entry = record(page)
      let pages: Int
      switch entry.kind {
      case .freeHead:
        pages = try auditFreeRun(page, followsFreeRun, &audit)
      case .block:
        pages = entry.value
        audit.pageBlocks += 1
        audit.bytesOut += pages << HeapGeometry.pageShift
      case .slab:
        pages = try auditSlab(page, &audit)
      default: throw corrupt(record: page)
      }
      guard pages >= 1 && pages <= geometry.pageCount - page else { throw corrupt(record: page) }
      followsFreeRun = entry.kind == .freeHead
      page += pages
    }
    try auditBins(audit)
    let counters = statistics()
    guard counters.pagesReserved == geometry.pageCount - audit.freePages,
      counters.bytesInUse &+ counters.bytesCached == audit.bytesOut,
      counters.blocksInUse == audit.pageBlocks + audit.slotsInUse, counters.blocksCached == audit.slotsCached
    else { throw .corrupt(offset: HeaderField.bytesOut) }
    return audit
  }

  func auditFreeRun(
    _ page: Int, _ followsFreeRun: Bool, _ audit: inout HeapAudit
  ) throws(HeapError) -> Int {
    let head = try freeHead(page)
    let end = page + head.value
    let isTail = end == geometry.pageCount
    let before = end < geometry.pageCount ? try freeRun(endingBefore: end) : page
    guard !followsFreeRun, before == page, !isTail || word(HeaderField.tailRun) == UInt64(page + 1) else {
      throw corrupt(record: page)
    }
    audit.freeRuns += 1
    audit.freePages += head.value
    return head.value
  }

  func auditSlab(_ page: Int, _ audit: inout HeapAudit) throws(HeapError) -> Int {
    guard let slab = slab(at: page) else { throw corrupt(slab: page) }
    let sizeClass = slab.sizeClass
    for distance in 0..<sizeClass.slabPageCount {
      let entry = record(page + distance)
      guard entry.kind == .slab && entry.value == distance else { throw corrupt(record: page + distance) }
    }
    var free = 0
    var inUse = 0
    for slot in 0..<sizeClass.slotCount {
      switch loadByte(slab.stateAddress(slot)) {
      case SlotState.free:
        free += 1
        guard UInt64(slot) >= slab.field(Slab.Field.hint) else { throw corrupt(slab: page) }
      case SlotState.inUse: inUse += 1
      default: break
      }
    }
    let isListed = slab.field(Slab.Field.list) != 0
    guard free == slab.freeCount, free < sizeClass.slotCount, isListed == (free > 0) else {
      throw corrupt(slab: page)
    }
    audit.slabs += 1
    audit.slotsInUse += inUse
    audit.slotsCached += sizeClass.slotCount - free - inUse
    audit.bytesOut += (sizeClass.slotCount - free) * sizeClass.blockByteCount
    return sizeClass.slabPageCount
  }

  /// All free runs are in the bins, each in its own.
  func auditBins(_ audit: HeapAudit) throws(HeapError) {
    var (runs, pages) = (0, 0)
    for index in 0..<RunBin.firstCount * RunBin.secondCount {
      let bin = RunBin(first: index / RunBin.secondCount, second: index % RunBin.secondCount)
      let isMarked = word(HeaderField.secondLevel(bin.first)) >> UInt64(bin.second) & 1 == 1
      guard isMarked == (binHead(bin) >= 0) else { throw .corrupt(offset: HeaderField.bin(index)) }
      var run: (page: Int, head: PageRecord)? = isMarked ? try firstRun(bin) : nil
      while let (page, head) = run {
        guard RunBin(keeping: head.value).index == index else { throw corrupt(record: page) }
        runs += 1
        pages += head.value
        run = try next(page, head)
      }
    }
    guard runs == audit.freeRuns && pages == audit.freePages else { throw .corrupt(offset: HeaderField.bins) }
  }
}
