import Platform

/// One bit per global page: pinned pages, which the coarsening leaves alone.
@frozen
@usableFromInline
struct PinSet: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let words: UnsafeMutableRawPointer

  @inlinable init(_ words: UnsafeMutableRawPointer) { self.words = words }

  static func byteCount(pageCount: Int) -> Int { (pageCount + 63) / 64 * wordByteCount }
  @inlinable static var wordByteCount: Int { 8 }

  @inlinable func word(_ page: Int) -> AtomicWord { AtomicWord(words + (page >> 6) &* Self.wordByteCount) }

  /// The bits of `page`'s word that belong to pages `page ..< end`.
  @inlinable
  func mask(_ page: Int, _ end: Int) -> UInt64 {
    let low = ~UInt64(0) << UInt64(page & 63)
    let rest = end &- (page & ~63)
    return rest >= 64 ? low : low & ~(~UInt64(0) << UInt64(rest))
  }

  @inlinable
  func containsAny(_ first: Int, _ end: Int) -> Bool {
    var page = first
    while page < end {
      if word(page).load() & mask(page, end) != 0 { return true }
      page = (page | 63) &+ 1
    }
    return false
  }

  /// The number of pages whose bit was changed.
  func set(_ first: Int, _ end: Int, _ pinned: Bool) -> Int {
    var changed = 0
    var page = first
    while page < end {
      let mask = mask(page, end)
      let before = pinned ? word(page).fetchOr(mask) : word(page).fetchAnd(~mask)
      changed += ((pinned ? ~before : before) & mask).nonzeroBitCount
      page = (page | 63) + 1
    }
    return changed
  }
}
