/// Counters of a heap at one moment.
public struct HeapStatistics: Sendable, Equatable {
  /// Bytes of blocks in use, rounding included; blocks in caches are not in use.
  public var bytesInUse: Int
  /// Blocks in use.
  public var blocksInUse: Int
  /// Bytes of blocks in the nodes' caches.
  public var bytesCached: Int
  /// Blocks in the nodes' caches.
  public var blocksCached: Int
  /// The most bytes that have been out of the global heap at once, in use or cached: at most the caches'
  /// bounds above the true peak.
  public var peakBytes: Int
  /// Pages of blocks and slabs, the slabs' headers and free slots included.
  public var pagesReserved: Int
  /// Pages that there are.
  public var pages: Int
}

extension SharedHeap {
  /// Counts exactly what happened before this call, on any node; of a node that allocates from its
  /// cache at the same time, some of it. Reads a page for each node that has ever used a cache.
  public func statistics() -> HeapStatistics {
    var cachedBytes = 0
    var cachedBlocks = 0
    let end = min(Int(truncatingIfNeeded: word(HeaderField.cachingNodesEnd)), geometry.nodeCount)
    for node in 0..<max(end, 0) {
      cachedBytes &+= Int(truncatingIfNeeded: word(geometry.cachedBytes(of: node)))
      cachedBlocks &+= Int(truncatingIfNeeded: word(geometry.cachedBlocks(of: node)))
    }
    func counter(_ offset: Int) -> Int { Int(truncatingIfNeeded: word(offset)) }
    return HeapStatistics(
      bytesInUse: counter(HeaderField.bytesOut) &- cachedBytes,
      blocksInUse: counter(HeaderField.blocksOut) &- cachedBlocks,
      bytesCached: cachedBytes, blocksCached: cachedBlocks,
      peakBytes: counter(HeaderField.peakBytesOut),
      pagesReserved: counter(HeaderField.pagesReserved), pages: geometry.pageCount)
  }

  /// The free run that reaches to the region's end, which nobody has touched or all of which was given
  /// back; nil if the last page is in use. For shrinking a segment.
  public func freeTail() throws(HeapError) -> UnsafeMutableRawBufferPointer? {
    let page = Int(truncatingIfNeeded: word(HeaderField.tailRun)) &- 1
    guard page >= 0 else { return nil }
    return extent(page, try freeHead(page).value)
  }

  /// The longest free run, hence the largest block that can be allocated without an alignment.
  public func largestFreeByteCount() throws(HeapError) -> Int {
    let firsts = word(HeaderField.firstLevels) & 0xFFFF_FFFF
    guard firsts != 0 else { return 0 }
    let first = 63 - firsts.leadingZeroBitCount
    let seconds = word(HeaderField.secondLevel(first)) & 0xFF
    guard seconds != 0 else { throw .corrupt(offset: HeaderField.secondLevel(first)) }
    var longest = 0
    var run: (page: Int, head: PageRecord)? = try firstRun(
      RunBin(first: first, second: 63 - seconds.leadingZeroBitCount))
    while let (page, head) = run {
      longest = max(longest, head.value)
      run = try next(page, head)
    }
    return longest << HeapGeometry.pageShift
  }
}
