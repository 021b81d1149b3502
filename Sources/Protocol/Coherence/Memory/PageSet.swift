import Platform

/// A set of pages that threads add to without a lock and one thread takes in ascending order: a
/// bitmap with three levels of summary, the last of which is one word.
///
/// `insert` sets the page's bit before the summary bits above it; `Taker` clears a summary bit
/// before it takes the bits below. So a page inserted before a take began is either taken by it or
/// was taken by an earlier take, and one inserted meanwhile is taken now or its summary stays set.
@frozen
public struct PageSet<W: MemoryAccess>: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let pages: SharedWords<W>
  @usableFromInline let words: SharedWords<W>
  @usableFromInline let groups: SharedWords<W>
  @usableFromInline let groupParts: Parts
  @usableFromInline let parts: SharedWords<W>

  /// Carves the set out of `carving`'s zeroed memory, which outlives it.
  init(_ carving: inout Carving, pageCount: Int) {
    func wordCount(_ bits: Int) -> Int { (bits + 63) >> 6 }
    let pageWordCount = wordCount(pageCount)
    groupParts = Parts(wordCount: wordCount(wordCount(pageWordCount)))
    func take(_ count: Int) -> SharedWords<W> { SharedWords(carving.take(count * SharedWords<W>.stride)) }
    pages = take(pageWordCount)
    words = take(wordCount(pageWordCount))
    groups = take(groupParts.wordCount)
    parts = take(1)
  }

  /// Ordered before whatever the caller stores afterwards.
  @inlinable
  public func insert(_ one: Page) {
    let page = one.number
    pages[page >> 6].fetchOr(UInt64(1) << UInt64(page & 63))
    words[page >> 12].fetchOr(UInt64(1) << UInt64((page >> 6) & 63))
    groups[page >> 18].fetchOr(UInt64(1) << UInt64((page >> 12) & 63))
    parts[0].fetchOr(groupParts.bit(page >> 18))
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
  public var isIdle: Bool { parts[0].load() == 0 }

  /// Takes the members in ascending order.
  @frozen
  public struct Taker {
    @usableFromInline let set: PageSet
    /// Parts that are not taken yet, and the words of the one that is being taken.
    @usableFromInline var partBits: UInt64
    @usableFromInline var groupWord = 0
    @usableFromInline var groupEnd = 0
    @usableFromInline var groupBits: UInt64 = 0
    @usableFromInline var wordIndex = 0
    @usableFromInline var wordBits: UInt64 = 0
    @usableFromInline var pageIndex = 0
    @usableFromInline var pageBits: UInt64 = 0

    @inlinable
    init(_ set: PageSet) {
      self.set = set
      partBits = set.parts[0].load()
    }

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
          wordIndex = (groupWord &- 1) << 6 | groupBits.trailingZeroBitCount
          groupBits &= groupBits &- 1
          wordBits = set.words[wordIndex].exchange(0)
        } else if groupWord < groupEnd {
          let word = set.groups[groupWord]
          groupWord &+= 1
          groupBits = word.load() == 0 ? 0 : word.exchange(0)
        } else if partBits != 0 {
          let words = set.groupParts.lowest(partBits)
          (groupWord, groupEnd) = (words.lowerBound, words.upperBound)
          set.parts[0].fetchAnd(~(partBits & (0 &- partBits)))
          partBits &= partBits &- 1
        } else {
          return nil
        }
      }
    }
  }

  @inlinable public func take() -> Taker { Taker(self) }
}
