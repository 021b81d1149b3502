/// Hands out aligned pieces of a block of memory, one behind the other. Whatever lies in one block is laid
/// out by one of these, at one place in the code: without the block it says what the same pieces need.
public struct Carving {
  private let base: UnsafeMutableRawPointer?
  /// Bytes that have been handed out, gaps included.
  public private(set) var end: Int

  /// - Parameters:
  ///   - base: the block; `nil` where only offsets are wanted.
  ///   - start: what of it is taken already.
  public init(_ base: UnsafeMutableRawPointer? = nil, from start: Int = 0) {
    self.base = base
    end = start
  }

  /// Where the next piece begins, in the block.
  public mutating func offset(_ byteCount: Int, align: Int = 64) -> Int {
    let start = (end + align - 1) & ~(align - 1)
    end = start + byteCount
    return start
  }

  /// The next piece.
  public mutating func take(_ byteCount: Int, align: Int = 64) -> UnsafeMutableRawPointer {
    let start = offset(byteCount, align: align)
    // Without a block the pointers only carry offsets and are never followed. Never nil: 1 << 20 is not 0.
    return (base ?? UnsafeMutableRawPointer(bitPattern: 1 << 20).unsafelyUnwrapped) + start
  }
}
