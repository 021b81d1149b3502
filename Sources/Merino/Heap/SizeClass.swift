/// Sizes of small blocks: multiples of 16 up to 128, then four to each doubling up to 4 KiB (at most
/// a fifth is lost to rounding), then whole pages up to 32 KiB, so that blocks beyond a page never share
/// one with another block.
@frozen
public struct SizeClass: BitwiseCopyable, Sendable, Equatable {
  /// 0 for 16 bytes, and so on in the order of sizes.
  public let index: Int

  static var count: Int { 35 }
  static var firstOfPages: Int { 28 }
  /// Larger blocks are runs of pages.
  public static var blockByteCountMax: Int { 32 << 10 }

  init(index: Int) { self.index = index }

  /// The smallest class for `byteCount` (1 ... `blockByteCountMax`) bytes.
  init(holding byteCount: Int) {
    if byteCount <= 128 {
      index = ((byteCount + 15) >> 4) - 1
    } else if byteCount <= HeapGeometry.pageByteCount {
      let group = 63 - (byteCount - 1).leadingZeroBitCount - 7
      index = 8 + group * 4 + ((byteCount - 1 - (128 << group)) >> (5 + group))
    } else {
      index = 26 + ((byteCount + HeapGeometry.pageByteCount - 1) >> HeapGeometry.pageShift)
    }
  }

  /// The smallest class whose blocks all lie at multiples of `alignment`; nil where only a run of
  /// pages will do. Slots begin at a page, so a class is aligned to what divides its size.
  init?(holding byteCount: Int, alignment: Int) {
    guard byteCount <= Self.blockByteCountMax && alignment <= HeapGeometry.pageByteCount else { return nil }
    var candidate = SizeClass(holding: max(byteCount, alignment))
    while candidate.blockByteCount & (alignment - 1) != 0 {
      candidate = SizeClass(index: candidate.index + 1)
    }
    self = candidate
  }

  /// Bytes of each of its blocks.
  public var blockByteCount: Int {
    if index < 8 { return (index + 1) << 4 }
    if index >= Self.firstOfPages { return (index - 26) << HeapGeometry.pageShift }
    let group = (index - 8) >> 2
    return (128 << group) + ((((index - 8) & 3) + 1) << (5 + group))
  }

  /// Pages of a slab, its header page included.
  var slabPageCount: Int { index < Self.firstOfPages ? 16 : 64 }

  var slotCount: Int { ((slabPageCount - 1) << HeapGeometry.pageShift) / blockByteCount }

  /// Blocks that move between a cache and the heap at once: about 16 KiB, in whole pages where blocks
  /// are small, so that two nodes' batches seldom share a page of the user's.
  var batchCount: Int { min(max((16 << 10) / blockByteCount, 2), 256) }

  /// Blocks of this class that a node's cache holds at most.
  var cacheCapacity: Int { 2 * batchCount }
}
