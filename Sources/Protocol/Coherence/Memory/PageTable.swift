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

  public var firstPage: Int
  public var pageCount: Int
  /// log2 of the pages of a coherence unit.
  public var unitShift: Int
  public var placement: Placement
  /// For `.oneNode`.
  public var placementNode: Int

  @inlinable
  public init(
    firstPage: Int, pageCount: Int, unitShift: Int = 0, placement: Placement = .firstTouch,
    placementNode: Int = 0
  ) {
    self.firstPage = firstPage
    self.pageCount = pageCount
    self.unitShift = unitShift
    self.placement = placement
    self.placementNode = placementNode
  }

  /// The wished home of the unit that begins at `page`, -1 for first touch.
  @inlinable
  public func wishedHome(_ page: Int, nodeCount: Int) -> Int {
    let unit = (page - firstPage) >> unitShift
    switch placement {
    case .firstTouch: return -1
    case .blocked: return unit * nodeCount / max(pageCount >> unitShift, 1)
    case .cyclic: return unit % nodeCount
    case .oneNode: return placementNode
    }
  }
}

/// A coherence unit: base pages `page ..< page + count`, the state word at `page`.
@frozen
public struct Unit: BitwiseCopyable, Sendable {
  public let page: Int
  public let count: Int
  @inlinable public init(page: Int, count: Int) {
    self.page = page
    self.count = count
  }
  @inlinable public var pages: Range<Int> { page..<page + count }
}

/// The per-node page directory: this node's state of every page of the global address space, indexed
/// by global page, with the twins, the shapes of the segments and the sets of dirty and cached pages.
///
/// Everything lies in one private, zeroed, sparse mapping that exists for the whole capacity from
/// joining to finalize, so a look-up needs no allocation and no lock.
@frozen
public struct PageTable<W: MemoryAccess>: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let pageWords: SharedWords<W>
  /// Twin of global address `a` is at `twins + a`.
  public let twins: UnsafeMutableRawPointer
  @usableFromInline let epochStamps: SharedWords<W>
  @usableFromInline let noticers: SharedWords<W>
  @usableFromInline let chunkShapes: SharedWords<W>
  @usableFromInline let shapes: UnsafeMutablePointer<SegmentShape>
  @usableFromInline let pinCounts: SharedWords<W>
  public let dirty: PageSet<W>
  public let cached: PageSet<W>
  @usableFromInline let pageShift: Int
  @usableFromInline let chunkShift: Int
  @usableFromInline let pageCount: Int
  @usableFromInline let shapeCount: Int

  /// Carves the table out of `carving`'s zeroed memory.
  init(_ c: Configuration, _ carving: inout Carving) {
    func words(_ count: Int) -> SharedWords<W> { SharedWords(carving.take(count * SharedWords<W>.stride)) }
    pageWords = words(c.pageCount)
    twins = carving.take(c.capacityByteCount, align: 4096)
    epochStamps = words(c.pageCount)
    noticers = words(c.pageCount)
    chunkShapes = words(c.chunkCount)
    shapes = carving.take(c.shapeCount * MemoryLayout<SegmentShape>.stride)
      .assumingMemoryBound(to: SegmentShape.self)
    pinCounts = words(c.pageCount)
    dirty = PageSet(&carving, pageCount: c.pageCount)
    cached = PageSet(&carving, pageCount: c.pageCount)
    pageShift = c.pageShift
    chunkShift = c.chunkShift
    pageCount = c.pageCount
    shapeCount = c.shapeCount
  }

  /// The state word of the unit that begins at `page`.
  @inlinable public func cell(_ page: Int) -> PageCell<W> { PageCell(pageWords[page]) }
  @inlinable public func load(_ page: Int) -> PageWord { cell(page).load() }

  /// Epoch in which this node last noted the unit in its epoch buffer, plus one. All of its bits: with fewer a
  /// stamp of long ago would be taken for one of this epoch, and the note would be lost.
  @inlinable
  func epochStamp(_ page: Int) -> SharedWord<W> { epochStamps[page] }

  /// Used by the barrier's thread only: who noticed the unit in an epoch (`Noticer`).
  @inlinable
  func noticer(_ page: Int) -> SharedWord<W> { noticers[page] }

  @inlinable
  func pinCount(_ page: Int) -> SharedWord<W> { pinCounts[page] }

  @inlinable
  func twin(_ page: Int) -> UnsafeMutableRawPointer { twins + (page << pageShift) }

  /// The shape that covers `page`; `nil` outside all segments that this node knows.
  @inlinable
  public func shape(of page: Int) -> SegmentShape? {
    // Acquire: pairs with `define`.
    let index = chunkShape(page >> chunkShift).load()
    return index == 0 ? nil : shapes[Int(index) - 1]
  }

  @inlinable
  func chunkShape(_ chunk: Int) -> SharedWord<W> { chunkShapes[chunk] }

  /// The unit that contains `page`; a base page where no segment is known.
  @inlinable
  public func unit(containing page: Int) -> Unit {
    guard let shape = shape(of: page) else { return Unit(page: page, count: 1) }
    let count = 1 << shape.unitShift
    return Unit(page: page & ~(count - 1), count: count)
  }

  /// Makes `shape` known on this node, before any of its pages is touched here. False where the
  /// table is full. Called under the caller's own lock; chunks belong to one shape at a time.
  @inlinable
  public func define(_ shape: SegmentShape) -> Bool {
    precondition(
      shape.firstPage & ((1 << chunkShift) - 1) == 0 && shape.pageCount > 0 && shape.unitShift <= chunkShift
        && shape.firstPage + shape.pageCount <= pageCount,
      "a segment begins with a chunk, its units are no longer than one, and it is within the capacity")
    let firstChunk = shape.firstPage >> chunkShift
    if chunkShape(firstChunk).load() != 0 { return true }
    guard let slot = (0..<shapeCount).first(where: { shapes[$0].pageCount == 0 }) else { return false }
    shapes[slot] = shape
    for chunk in firstChunk...(shape.firstPage + shape.pageCount - 1) >> chunkShift {
      // Release: pairs with `shape(of:)`; the shape is there before its number.
      chunkShape(chunk).store(UInt64(slot + 1))
    }
    return true
  }

  /// Zeroes the words of pages that nobody uses, and what belongs to them: the one place with plain stores. The
  /// caller has closed the gate, behind which every other change of a page word happens (`PageCell`).
  @inlinable
  func forgetWords(_ pages: Range<Int>) {
    pageWords.zero(pages)
    epochStamps.zero(pages)
    pinCounts.zero(pages)
  }

  /// Forgets the shape of freed pages, which all have the same.
  @inlinable
  func forget(_ pages: Range<Int>) {
    let index = Int(chunkShape(pages.lowerBound >> chunkShift).load())
    for chunk in pages.lowerBound >> chunkShift..<(pages.upperBound + (1 << chunkShift) - 1) >> chunkShift {
      chunkShape(chunk).store(0)
    }
    // Last: from here on another thread may `define` a shape in its place.
    W.fence()
    if index != 0 { shapes[index - 1].pageCount = 0 }
  }
}
