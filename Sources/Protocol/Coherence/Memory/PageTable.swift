import Fabric
import Platform

/// How the pages of a segment are cut into units and where their homes are wished to be.
@frozen
public struct SegmentShape: BitwiseCopyable, Sendable, Equatable {
  @frozen
  public enum Placement: UInt8, BitwiseCopyable, Sendable {
    /// The first writer becomes home.
    case firstTouch = 0
    /// Consecutive units to the same node, as even as possible.
    case blocked = 1
    /// Unit i to node i mod nodeCount.
    case cyclic = 2
    /// All to one node.
    case oneNode = 3
  }

  public var firstPage: Page
  public var pageCount: Int
  /// log2 of the pages of a coherence unit.
  public var unitShift: Int
  public var placement: Placement
  /// For `.oneNode`.
  public var placementNode: NodeID

  @inlinable
  public init(
    firstPage: Page, pageCount: Int, unitShift: Int = 0, placement: Placement = .firstTouch,
    placementNode: NodeID = 0
  ) {
    self.firstPage = firstPage
    self.pageCount = pageCount
    self.unitShift = unitShift
    self.placement = placement
    self.placementNode = placementNode
  }

  @inlinable public var pages: PageRange { PageRange(firstPage, count: pageCount) }

  /// The wished home of the unit that begins at `page`, -1 for first touch.
  @inlinable
  public func wishedHome(_ page: Page, nodeCount: Int) -> NodeID {
    let unit = (page - firstPage) >> unitShift
    switch placement {
    case .firstTouch: return .none
    case .blocked: return NodeID(unit * nodeCount / max(pageCount >> unitShift, 1))
    case .cyclic: return NodeID(unit % nodeCount)
    case .oneNode: return placementNode
    }
  }
}

/// A coherence unit: base pages `page ..< page + count`, the state word at `page`.
@frozen
public struct Unit: BitwiseCopyable, Sendable {
  public let page: Page
  public let count: Int
  @inlinable public init(page: Page, count: Int) {
    self.page = page
    self.count = count
  }
  @inlinable public var pages: PageRange { PageRange(page, count: count) }
}

/// The per-node page directory: this node's state of every page of the global address space, indexed
/// by global page, with the twins, the shapes of the segments and the sets of dirty and cached pages.
///
/// Everything lies in one private, zeroed, sparse mapping that exists for the whole capacity from
/// joining to finalize, so a look-up needs no allocation and no lock.
@frozen
public struct PageTable<W: MemoryAccess>: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let pageWords: WordTable<W, PageKind>
  /// Twin of global address `a` is at `twins + a`.
  public let twins: UnsafeMutableRawPointer
  @usableFromInline let epochStamps: WordTable<W, PageKind>
  @usableFromInline let noticers: WordTable<W, PageKind>
  @usableFromInline let moveStamps: WordTable<W, PageKind>
  @usableFromInline let chunkShapes: WordTable<W, ChunkKind>
  @usableFromInline let shapes: UnsafeMutablePointer<SegmentShape>
  @usableFromInline let pinCounts: WordTable<W, PageKind>
  @usableFromInline let heats: ByteTable<W, PageKind>
  @usableFromInline let plainWords: SharedWords<W>
  public let dirty: PageSet<W>
  public let cached: PageSet<W>
  @usableFromInline let pageShift: Int
  @usableFromInline let chunkShift: Int
  @usableFromInline let pageCount: Int
  @usableFromInline let shapeCount: Int

  /// Carves the table out of `carving`'s zeroed memory.
  init(_ c: Configuration, _ carving: inout Carving) {
    func words<Kind>(_ count: Int) -> WordTable<W, Kind> {
      WordTable(carving.take(count * SharedWords<W>.stride))
    }
    pageWords = words(c.pageCount)
    twins = carving.take(c.capacityByteCount, align: 4096)
    epochStamps = words(c.pageCount)
    noticers = words(c.pageCount)
    moveStamps = words(c.pageCount)
    chunkShapes = words(c.chunkCount)
    shapes = carving.take(c.shapeCount * MemoryLayout<SegmentShape>.stride)
      .assumingMemoryBound(to: SegmentShape.self)
    pinCounts = words(c.pageCount)
    heats = ByteTable(carving.take(c.pageCount))
    plainWords = SharedWords(carving.take(SharedWords<W>.stride))
    dirty = PageSet(&carving, pageCount: c.pageCount)
    cached = PageSet(&carving, pageCount: c.pageCount)
    pageShift = c.pageShift
    chunkShift = c.chunkShift
    pageCount = c.pageCount
    shapeCount = c.shapeCount
  }

  /// The state word of the unit that begins at `page`.
  @inlinable public func cell(_ page: Page) -> PageCell<W> { PageCell(pageWords[page]) }
  @inlinable public func load(_ page: Page) -> PageWord { cell(page).load() }

  /// Epoch in which this node last noted the unit in its epoch buffer, plus one. All of its bits: with fewer
  /// a stamp of long ago would be taken for one of this epoch, and the note would be lost.
  @inlinable
  func epochStamp(_ page: Page) -> SharedWord<W> { epochStamps[page] }

  /// Used by the barrier's thread only: who noticed the unit in an epoch (`Noticer`).
  @inlinable
  func noticer(_ page: Page) -> SharedWord<W> { noticers[page] }

  /// The barrier at which the unit moved last, the same on all nodes; 0: it never did. Used by the barrier's
  /// thread only.
  @inlinable
  func moveStamp(_ page: Page) -> SharedWord<W> { moveStamps[page] }

  @inlinable
  func pinCount(_ page: Page) -> SharedWord<W> { pinCounts[page] }

  /// How often the unit is written (`HotPages`).
  @inlinable
  func heat(_ page: Page) -> SharedByte<W> { heats[page] }

  @inlinable
  func twin(_ page: Page) -> UnsafeMutableRawPointer { twins + (page.number << pageShift) }

  /// The shape that covers `page`; `nil` outside all segments that this node knows.
  @inlinable
  public func shape(of page: Page) -> SegmentShape? {
    // Acquire: pairs with `define`.
    let index = chunkShape(chunk(of: page)).load()
    if index != 0 { return shapes[Int(index) - 1] }
    // Relaxed: it says all that there is to know, and was stored before anybody shared a page.
    let count = Int(truncatingIfNeeded: plainPageCount.loadRelaxed())
    return page.number < count ? SegmentShape(firstPage: 0, pageCount: count) : nil
  }

  /// Pages at the beginning of the address space, whole chunks, that have the plainest of shapes as long as
  /// there is no other for them (`definePlain`).
  @inlinable var plainPageCount: SharedWord<W> { plainWords[0] }

  /// Makes the first `pageCount` pages known as units of one page whose home is whoever writes first: the
  /// heap, which may be half of the address space. It takes no word a chunk, as a segment does.
  public func definePlain(pageCount: Int) {
    precondition(
      Page(pageCount).isMultiple(of: 1 << chunkShift) && pageCount <= self.pageCount,
      "the heap is whole chunks, within the capacity")
    plainPageCount.storeRelaxed(UInt64(pageCount))
  }

  /// The chunks that pages of `range`, which is not empty, lie in.
  @inlinable
  func chunks(_ range: PageRange) -> ChunkRange {
    chunk(of: range.lowerBound)..<chunk(of: range.upperBound - 1) + 1
  }

  @inlinable func chunk(of page: Page) -> Chunk { Chunk(page.number >> chunkShift) }

  @inlinable
  func chunkShape(_ chunk: Chunk) -> SharedWord<W> { chunkShapes[chunk] }

  /// The unit that contains `page`; a base page where no segment is known.
  @inlinable
  public func unit(containing page: Page) -> Unit {
    guard let shape = shape(of: page) else { return Unit(page: page, count: 1) }
    let count = 1 << shape.unitShift
    return Unit(page: page.roundedDown(to: count), count: count)
  }

  /// Makes `shape` known on this node, before any of its pages is touched here. False where the
  /// table is full. Called under the caller's own lock; chunks belong to one shape at a time.
  @inlinable
  public func define(_ shape: SegmentShape) -> Bool {
    precondition(
      shape.firstPage.isMultiple(of: 1 << chunkShift) && shape.pageCount > 0 && shape.unitShift <= chunkShift
        && shape.firstPage.number + shape.pageCount <= pageCount,
      "a segment begins with a chunk, its units are no longer than one, and it is within the capacity")
    let chunks = chunks(shape.pages)
    if chunkShape(chunks.lowerBound).load() != 0 { return true }
    guard let slot = (0..<shapeCount).first(where: { shapes[$0].pageCount == 0 }) else { return false }
    shapes[slot] = shape
    for chunk in chunks {
      // Release: pairs with `shape(of:)`; the shape is there before its number.
      chunkShape(chunk).store(UInt64(slot + 1))
    }
    return true
  }

  /// Zeroes the words of pages that nobody uses, and what belongs to them: the one place with plain stores.
  /// The caller has closed the gate, behind which every other change of a page word happens (`PageCell`).
  @inlinable
  func forgetWords(_ pages: PageRange) {
    pageWords.zero(pages)
    epochStamps.zero(pages)
    pinCounts.zero(pages)
    heats.zero(pages)
    moveStamps.zero(pages)
  }

  /// Forgets the shape of freed pages, which all have the same.
  @inlinable
  func forget(_ pages: PageRange) {
    let index = Int(chunkShape(chunk(of: pages.lowerBound)).load())
    for chunk in chunks(pages) {
      chunkShape(chunk).store(0)
    }
    // Last: from here on another thread may `define` a shape in its place.
    W.fence()
    if index != 0 { shapes[index - 1].pageCount = 0 }
  }
}
