import Coherence
import Fabric
import Platform

/// An entry of the segment table, as it lies in node 0's control memory: 16 words.
struct SegmentEntry: Equatable {
  enum State: UInt64 {
    case free = 0
    case live = 1
    /// Destroyed; views keep its pages.
    case doomed = 2
    /// No views any more; its pages wait for two barriers.
    case retiring = 3
    /// A named lock, with its handle in `bytes`: it has no pages.
    case namedLock = 4
    /// Pages that the library keeps for itself, for the heap: no handle names them, and nobody can destroy
    /// them.
    case reserved = 5

    /// What a handle may name.
    var isSegment: Bool { self == .live || self == .doomed }
    /// Whether the entry's pages are taken.
    var hasPages: Bool { self != .free && self != .namedLock }
  }

  static let wordCount = 16
  static let nameByteCount = 64

  var state: State = .free
  var generation: UInt64 = 0
  /// Of a segment its bytes; of a named lock its handle.
  var bytes: UInt64 = 0
  var firstPage: Page = 0
  var pageCount = 0
  var unitShift = 0
  var placement = SegmentShape.Placement.firstTouch
  var placementNode: NodeID = 0
  /// Views on all nodes.
  var attachCount: UInt64 = 0
  /// Position in the ring of freed ranges, while retiring; ~0 while that ring was full.
  var retirePosition: UInt64 = 0
  var name = ""

  var shape: SegmentShape {
    SegmentShape(
      firstPage: firstPage, pageCount: pageCount, unitShift: unitShift, placement: placement,
      placementNode: placementNode)
  }

  var pages: PageRange { PageRange(firstPage, count: pageCount) }

  init() {}

  /// Pages that the library keeps for itself. No view of them is counted: they are never given back.
  init(reserving shape: SegmentShape, generation: UInt64) {
    state = .reserved
    self.generation = generation
    firstPage = shape.firstPage
    pageCount = shape.pageCount
  }

  /// Reads an entry from 16 words.
  init(words: ArraySlice<UInt64>) {
    let w = Array(words)
    state = State(rawValue: w[0] & 0xFF) ?? .free
    generation = w[0] >> 8
    bytes = w[1]
    firstPage = Page(Int(truncatingIfNeeded: w[2]))
    pageCount = Int(truncatingIfNeeded: w[3])
    unitShift = Int(w[4] & 0xFF)
    placement = SegmentShape.Placement(rawValue: UInt8(truncatingIfNeeded: w[4] >> 8)) ?? .firstTouch
    placementNode = NodeID(Int(truncatingIfNeeded: w[4] >> 16))
    attachCount = w[5]
    retirePosition = w[6]
    name = String(decoding: w[8..<16].littleEndianBytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// The 16 words of the entry.
  var words: [UInt64] {
    var w = [UInt64](repeating: 0, count: Self.wordCount)
    w[0] = state.rawValue | generation << 8
    w[1] = bytes
    w[2] = UInt64(bitPattern: Int64(firstPage.number))
    w[3] = UInt64(pageCount)
    w[4] = UInt64(unitShift) | UInt64(placement.rawValue) << 8 | UInt64(placementNode.number) << 16
    w[5] = attachCount
    w[6] = retirePosition
    w[8..<16] = name.utf8.prefix(Self.nameByteCount - 1).littleEndianWords(8)[...]
    return w
  }
}
