import CPlatform

/// The runs of bytes in which a frame and its twin differ, in ascending order. A run never covers a
/// byte that is equal: another node may be writing it.
@frozen
public struct DiffRuns {
  @usableFromInline let frame: UnsafeRawPointer
  @usableFromInline let twin: UnsafeRawPointer
  @usableFromInline let byteCount: Int
  /// The block of up to 64 bytes that `mask` speaks of; `mask` has a bit for each differing byte.
  @usableFromInline var block = 0
  @usableFromInline var mask: UInt64 = 0
  @usableFromInline var next = 0

  /// `byteCount` is a multiple of 16.
  @inlinable
  public init(frame: UnsafeRawPointer, twin: UnsafeRawPointer, byteCount: Int) {
    self.frame = frame
    self.twin = twin
    self.byteCount = byteCount
  }

  @inlinable
  mutating func loadBlock() {
    block = next
    let count = min(64, byteCount - block)
    next = block + count
    mask = 0
    if count == 64 && cplatform_differs64(frame + block, twin + block) == 0 { return }
    var offset = 0
    while offset < count {
      let bits = cplatform_difference_mask16(frame + block + offset, twin + block + offset)
      mask |= UInt64(bits) << UInt64(offset)
      offset += 16
    }
  }

  /// The next run as a range of byte offsets; `nil` after the last.
  @inlinable
  public mutating func run() -> Range<Int>? {
    while mask == 0 {
      if next >= byteCount { return nil }
      loadBlock()
    }
    let start = mask.trailingZeroBitCount
    let low = block + start
    // The first equal byte behind `start`, as an offset in the block; at most the block's end.
    var end = start + (~(mask >> UInt64(start))).trailingZeroBitCount
    while block + end == next {
      mask = 0
      if next >= byteCount { return low..<next }
      loadBlock()
      end = (~mask).trailingZeroBitCount
      if end == 0 { return low..<block }
    }
    mask &= ~0 << UInt64(end)
    return low..<block + end
  }
}
