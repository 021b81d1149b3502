/// What the heap knows of one page: 16 bytes, in the records' own pages.
///
/// Only the first page of a run, the last page of a free run, and the pages of a slab have a kind;
/// the pages inside a block or a free run have none. So a run of any length costs at most two records.
struct PageRecord: BitwiseCopyable, Equatable {
  enum Kind: UInt8, BitwiseCopyable {
    case none = 0
    /// First page of a free run; `value` pages. Linked into a bin.
    case freeHead = 0xF1
    /// Last page of a free run of `value` > 1 pages. Not kept at the region's end, where nobody
    /// coalesces backwards, so that the tail's page of records stays untouched.
    case freeTail = 0xF2
    /// First page of a block of `value` pages.
    case block = 0xA7
    /// A page of a slab that begins `value` pages before.
    case slab = 0xB3
  }

  /// A block of pages began here and was freed. Cleared when something begins here again.
  static var freedBlock: UInt8 { 1 }
  /// The page was a slab's, whose blocks were all freed.
  static var freedSlab: UInt8 { 2 }

  /// Kind, flags in the second byte, value in the upper 48 bits.
  private(set) var word: UInt64
  static var linksOffset: Int { 8 }
  /// Of a free head: the next run of its bin + 1 in the low half, the previous + 1 in the high half.
  private(set) var links: UInt64

  init(word: UInt64, links: UInt64) {
    self.word = word
    self.links = links
  }

  init(_ kind: Kind, value: Int = 0, flags: UInt8 = 0) {
    word = UInt64(kind.rawValue) | UInt64(flags) << 8 | UInt64(truncatingIfNeeded: value) << 16
    links = 0
  }

  /// nil: a byte that no kind has, hence written by a stranger.
  var kind: Kind? { Kind(rawValue: UInt8(truncatingIfNeeded: word)) }
  var flags: UInt8 { UInt8(truncatingIfNeeded: word >> 8) }
  var value: Int { Int(word >> 16) }

  var next: Int {
    get { Int(links & 0xFFFF_FFFF) - 1 }
    set { links = links & ~0xFFFF_FFFF | UInt64(truncatingIfNeeded: newValue + 1) }
  }

  var previous: Int {
    get { Int(links >> 32) - 1 }
    set { links = links & 0xFFFF_FFFF | UInt64(truncatingIfNeeded: newValue + 1) << 32 }
  }
}

extension SharedHeap {
  /// Sound for 0 ..< pageCount; every page number that was read from the region is checked before.
  func recordAddress(_ page: Int) -> UnsafeMutableRawPointer {
    base + geometry.records + page * HeapGeometry.recordByteCount
  }

  func record(_ page: Int) -> PageRecord {
    let at = recordAddress(page)
    return PageRecord(word: loadWord(at), links: loadWord(at + PageRecord.linksOffset))
  }

  func setRecord(_ page: Int, _ record: PageRecord) {
    let at = recordAddress(page)
    storeWord(at, record.word)
    storeWord(at + PageRecord.linksOffset, record.links)
  }

  /// No run begins or ends here any more; what was freed here stays known.
  func clearRecord(_ page: Int) { setRecord(page, PageRecord(.none, flags: record(page).flags)) }

  func corrupt(record page: Int) -> HeapError {
    .corrupt(offset: geometry.records + page * HeapGeometry.recordByteCount)
  }
}
