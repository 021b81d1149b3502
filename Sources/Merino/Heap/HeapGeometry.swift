/// Where things lie in a region of a given length: the header page, one page of counters a node, a
/// record of 16 bytes a page, and then the pages that are handed out. Everything is addressed by
/// 64-bit offsets from the region's beginning.
///
/// Records lie apart from the pages they describe, so that a free dirties no page of the user's; they
/// are sparse, like the region: only the first and last page of a run have one in use.
@frozen
public struct HeapGeometry: BitwiseCopyable, Sendable, Equatable {
  /// The heap's own page, on every system. The segment's coherence unit should not be larger, or
  /// counters and records of different nodes share units.
  public static var pageShift: Int { 12 }
  /// Bytes of the heap's own page.
  public static var pageByteCount: Int { 1 << pageShift }
  static var recordByteCount: Int { 16 }
  static var recordsPerPage: Int { pageByteCount / recordByteCount }
  /// Links between runs are page numbers of 32 bits: 16 TiB of pages.
  static var pageCountMax: Int { Int(UInt32.max) - 1 }

  /// Length of the region, the heap's own records included.
  public let regionByteCount: Int
  /// Nodes that may have a cache.
  public let nodeCount: Int
  /// Pages that can be handed out.
  public let pageCount: Int
  let records: Int
  let data: Int

  /// The layout of a region of `regionByteCount` bytes for a job of `nodeCount` nodes.
  public init(regionByteCount: Int, nodeCount: Int) throws(HeapError) {
    guard nodeCount >= 1 && nodeCount <= 1 << 20 else {
      throw .invalidRegion("a heap for \(nodeCount) nodes cannot be: give 1 to 1,048,576.")
    }
    let left = (regionByteCount >> Self.pageShift) - 1 - nodeCount
    let recordPages = (left + Self.recordsPerPage) / (Self.recordsPerPage + 1)
    pageCount = left - recordPages
    guard left > 0 && pageCount >= 1 && pageCount <= Self.pageCountMax else {
      throw .invalidRegion(
        "a region of \(regionByteCount) bytes cannot hold a heap for \(nodeCount) nodes: give at least "
          + "\((nodeCount + 3) << Self.pageShift) bytes and at most 16 TiB.")
    }
    self.regionByteCount = regionByteCount
    self.nodeCount = nodeCount
    records = (1 + nodeCount) << Self.pageShift
    data = records + (recordPages << Self.pageShift)
  }

  /// Offset of the count of bytes in the caches of `node`. The node's counters have a page of their own, so
  /// that in the steady state it is that node's exclusive page and costs neither faults nor messages.
  func cachedBytes(of node: Int) -> Int { (1 + node) << Self.pageShift }
  /// Of the blocks in its caches.
  func cachedBlocks(of node: Int) -> Int { cachedBytes(of: node) + MemoryLayout<UInt64>.stride }

  /// Offset of a page that is handed out.
  func offset(ofPage page: Int) -> Int { data + (page << Self.pageShift) }
}

/// Offsets in the header page. The whole state of the heap besides the records, the slabs' headers
/// and the nodes' counters is here, so that an operation touches one page for all of it.
enum HeaderField {
  static var magic: Int { 0 }
  static var version: Int { 8 }
  static var regionByteCount: Int { 16 }
  static var nodeCount: Int { 24 }
  static var pageCount: Int { 32 }
  /// Bytes and blocks that have left the global heap: in use, or in some node's cache.
  static var bytesOut: Int { 64 }
  static var blocksOut: Int { 72 }
  static var peakBytesOut: Int { 80 }
  static var pagesReserved: Int { 88 }
  /// One more than the highest node that ever filled a cache.
  static var cachingNodesEnd: Int { 96 }
  /// The free run that ends where the region does: its first page + 1, or 0.
  static var tailRun: Int { 104 }
  /// No page from this one on has ever been handed out: they are zero.
  static var untouchedPage: Int { 112 }
  /// One bit for each first level of the bins that has a run; then a word of 8 bits for each.
  static var firstLevels: Int { 128 }
  static var secondLevels: Int { 136 }
  /// First page + 1 of the first run of each bin.
  static var bins: Int { 512 }
  /// For each size class two lists of slabs with free slots: nobody's, and those that some node
  /// fills its cache from. First page + 1 of the first slab.
  static var slabLists: Int { 2560 }

  static func secondLevel(_ first: Int) -> Int { secondLevels + first * wordByteCount }
  static func bin(_ index: Int) -> Int { bins + index * wordByteCount }
  static func slabList(_ index: Int) -> Int { slabLists + index * wordByteCount }
  private static var wordByteCount: Int { MemoryLayout<UInt64>.stride }

  static var magicValue: UInt64 { 0x7061_6548_6e69_724d }  // "MrinHeap"
  static var versionValue: UInt64 { 2 }
}
