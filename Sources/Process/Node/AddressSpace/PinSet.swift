import Coherence
import Platform

/// One bit per global page: pinned pages, which the coarsening leaves alone.
@frozen
@usableFromInline
struct PinSet: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let words: UnsafeMutableRawPointer

  @inlinable init(_ words: UnsafeMutableRawPointer) { self.words = words }

  static func byteCount(pageCount: Int) -> Int { (pageCount + 63) / 64 * wordByteCount }
  @inlinable static var wordByteCount: Int { 8 }

  @inlinable func word(_ page: Page) -> AtomicWord {
    AtomicWord(words + (page.number >> 6) &* Self.wordByteCount)
  }

  /// The bits of `page`'s word that belong to pages `page ..< end`.
  @inlinable
  func mask(_ page: Page, _ end: Page) -> UInt64 {
    let low = ~UInt64(0) << UInt64(page.number & 63)
    let rest = end - page.roundedDown(to: 64)
    return rest >= 64 ? low : low & ~(~UInt64(0) << UInt64(rest))
  }

  @inlinable
  func containsAny(_ pages: PageRange) -> Bool {
    var page = pages.lowerBound
    while page < pages.upperBound {
      if word(page).load() & mask(page, pages.upperBound) != 0 { return true }
      page = page.roundedDown(to: 64) + 64
    }
    return false
  }

  /// The number of pages whose bit was changed.
  func set(_ pages: PageRange, _ pinned: Bool) -> Int {
    var changed = 0
    var page = pages.lowerBound
    while page < pages.upperBound {
      let mask = mask(page, pages.upperBound)
      let before = pinned ? word(page).fetchOr(mask) : word(page).fetchAnd(~mask)
      changed += ((pinned ? ~before : before) & mask).nonzeroBitCount
      page = page.roundedDown(to: 64) + 64
    }
    return changed
  }
}
