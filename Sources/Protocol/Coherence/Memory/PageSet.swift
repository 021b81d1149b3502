import Platform

/// A set of pages that threads add to without a lock and one thread takes in ascending order: a
/// bitmap with two levels of summary.
///
/// `insert` sets the page's bit before the summary bits above it; `Taker` clears a summary bit
/// before it takes the bits below. So a page inserted before a take began is either taken by it or
/// was taken by an earlier take, and one inserted meanwhile is taken now or its summary stays set.
@frozen
public struct PageSet<W: MemoryAccess>: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let pages: SharedWords<W>
  @usableFromInline let words: SharedWords<W>
  @usableFromInline let groups: SharedWords<W>
  @usableFromInline let groupWordCount: Int

  /// Carves the set out of `carving`'s zeroed memory, which outlives it.
  init(_ carving: inout Carving, pageCount: Int) {
    func wordCount(_ bits: Int) -> Int { (bits + 63) >> 6 }
    let pageWordCount = wordCount(pageCount)
    groupWordCount = wordCount(wordCount(pageWordCount))
    func take(_ count: Int) -> SharedWords<W> { SharedWords(carving.take(count * SharedWords<W>.stride)) }
    pages = take(pageWordCount)
    words = take(wordCount(pageWordCount))
    groups = take(groupWordCount)
  }

  /// Ordered before whatever the caller stores afterwards.
  @inlinable
  public func insert(_ one: Page) {
    let page = one.number
    pages[page >> 6].fetchOr(UInt64(1) << UInt64(page & 63))
    words[page >> 12].fetchOr(UInt64(1) << UInt64((page >> 6) & 63))
    groups[page >> 18].fetchOr(UInt64(1) << UInt64((page >> 12) & 63))
  }

  /// `insert`, cheap when the page is a member already and members are only taken all at once.
  @inlinable
  public func insertIfAbsent(_ page: Page) {
    let word = pages[page.number >> 6]
    if word.load() & (UInt64(1) << UInt64(page.number & 63)) == 0 { insert(page) }
  }

  /// Whether it has no members, but for those that a thread is just inserting. While somebody takes members
  /// it may be idle and they not dealt with yet.
  @inlinable
  public var isIdle: Bool {
    for index in 0..<groupWordCount where groups[index].load() != 0 { return false }
    return true
  }

  /// Takes the members in ascending order.
  @frozen
  public struct Taker {
    @usableFromInline let set: PageSet
    @usableFromInline var groupWord = -1
    @usableFromInline var groupBits: UInt64 = 0
    @usableFromInline var wordIndex = 0
    @usableFromInline var wordBits: UInt64 = 0
    @usableFromInline var pageIndex = 0
    @usableFromInline var pageBits: UInt64 = 0

    @inlinable init(_ set: PageSet) { self.set = set }

    @inlinable
    public mutating func next() -> Page? {
      while true {
        if pageBits != 0 {
          let bit = pageBits.trailingZeroBitCount
          pageBits &= pageBits &- 1
          return Page(pageIndex << 6 | bit)
        }
        if wordBits != 0 {
          pageIndex = wordIndex << 6 | wordBits.trailingZeroBitCount
          wordBits &= wordBits &- 1
          pageBits = set.pages[pageIndex].exchange(0)
        } else if groupBits != 0 {
          wordIndex = groupWord << 6 | groupBits.trailingZeroBitCount
          groupBits &= groupBits &- 1
          wordBits = set.words[wordIndex].exchange(0)
        } else {
          groupWord += 1
          if groupWord >= set.groupWordCount { return nil }
          let word = set.groups[groupWord]
          groupBits = word.load() == 0 ? 0 : word.exchange(0)
        }
      }
    }
  }

  @inlinable public func take() -> Taker { Taker(self) }
}
