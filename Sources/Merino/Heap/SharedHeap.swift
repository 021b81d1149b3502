/// The allocator of the global shared heap. All of its state lies in the region that it manages,
/// which is mapped at the same address on all nodes, so that any node can run it.
///
/// **Locking.** The code is sequential: around every call the caller holds one lock that is global
/// (an acquire and a release of the shared memory), except where a member says that the block's holder may
/// call it alone. Two nodes never run it at once without that lock; the node-local `HeapCache` spares
/// most calls of it.
///
/// **Order.** What a free happens before, the next allocation of the same bytes comes after: both went
/// through the global lock, or through one node's cache under that node's lock.
///
/// **Pages touched.** A small block: the header page, its slab's header page, and a page of records
/// for a free. A large one: the header page, and the records of the run and of its free neighbours. Never a
/// page of the user's.
///
/// **Trust.** What is read from the region is checked before it is followed. A heap that somebody wrote
/// over gives `HeapError.corrupt`, or goes on; it never touches memory outside of the region and never hangs.
/// After `corrupt` the heap should not be used for new blocks.
@frozen
public struct SharedHeap: BitwiseCopyable, @unchecked Sendable {
  /// Where the region begins, on every node.
  public let base: UnsafeMutableRawPointer
  /// Where things lie in it.
  public let geometry: HeapGeometry

  init(base: UnsafeMutableRawPointer, geometry: HeapGeometry) {
    self.base = base
    self.geometry = geometry
  }

  /// Makes a heap in a region of zeros, page-aligned. Touches two pages of it.
  ///
  /// - Throws: `invalidRegion` for a region that is too small, too large or not page-aligned.
  public static func format(
    _ base: UnsafeMutableRawPointer, byteCount: Int, nodeCount: Int
  ) throws(HeapError) -> SharedHeap {
    try checkAlignment(base)
    let geometry = try HeapGeometry(regionByteCount: byteCount, nodeCount: nodeCount)
    let heap = SharedHeap(base: base, geometry: geometry)
    heap.setWord(HeaderField.version, HeaderField.versionValue)
    heap.setWord(HeaderField.regionByteCount, UInt64(byteCount))
    heap.setWord(HeaderField.nodeCount, UInt64(nodeCount))
    heap.setWord(HeaderField.pageCount, UInt64(geometry.pageCount))
    try heap.link(0, geometry.pageCount)
    heap.setWord(HeaderField.magic, HeaderField.magicValue)
    return heap
  }

  /// The heap that another node has made in the region. The formatting happens before this call.
  ///
  /// - Throws: `notAHeap`; `invalidRegion` where the region has another length here.
  public static func open(
    _ base: UnsafeMutableRawPointer, byteCount: Int
  ) throws(HeapError) -> SharedHeap {
    try checkAlignment(base)
    let first = loadWord(base)
    guard first == HeaderField.magicValue, loadWord(base + HeaderField.version) == HeaderField.versionValue
    else { throw .notAHeap(found: first) }
    let nodeCount = Int(truncatingIfNeeded: loadWord(base + HeaderField.nodeCount))
    let geometry = try HeapGeometry(regionByteCount: byteCount, nodeCount: nodeCount)
    guard loadWord(base + HeaderField.regionByteCount) == UInt64(byteCount),
      loadWord(base + HeaderField.pageCount) == UInt64(geometry.pageCount)
    else {
      throw .invalidRegion(
        "the region has \(byteCount) bytes here, the heap in it was made for "
          + "\(loadWord(base + HeaderField.regionByteCount)): map all of it on every node.")
    }
    return SharedHeap(base: base, geometry: geometry)
  }

  static func checkAlignment(_ base: UnsafeMutableRawPointer) throws(HeapError) {
    guard UInt(bitPattern: base) & UInt(HeapGeometry.pageByteCount - 1) == 0 else {
      throw .invalidRegion(
        "a heap cannot begin at \(hex(UInt(bitPattern: base))): give the address of a page.")
    }
  }

  /// Allocates at least `byteCount` bytes (0 counts as 1) at a multiple of `alignment`, a power
  /// of two of any size; at least 16. The contents are arbitrary.
  ///
  /// - Returns: the block; nil if there is no room.
  public func allocate(
    _ byteCount: Int, alignment: Int = 16
  ) throws(HeapError) -> UnsafeMutableRawPointer? {
    guard alignment > 0 && alignment & (alignment - 1) == 0 else { throw .invalidAlignment(alignment) }
    guard byteCount >= 0 && byteCount <= geometry.pageCount << HeapGeometry.pageShift else { return nil }
    if let sizeClass = SizeClass(holding: max(byteCount, 1), alignment: alignment),
      let slab = try slabToTakeFrom(sizeClass)
    {
      var block: UnsafeMutableRawPointer?
      try takeSlots(slab, 1, state: SlotState.inUse) { block = slab.block($0) }
      return block
    }
    return try allocatePages(byteCount, alignment)
  }

  /// A slab with a free slot, for a block that goes straight to the user.
  func slabToTakeFrom(_ sizeClass: SizeClass) throws(HeapError) -> Slab? {
    if let slab = try firstSlab(sizeClass, .unowned) { return slab }
    if let slab = try makeSlab(sizeClass, owner: -1) { return slab }
    return try firstSlab(sizeClass, .owned)
  }

  /// A block of whole pages: a large one, or a small one for which no slab could be made any more.
  func allocatePages(
    _ byteCount: Int, _ alignment: Int
  ) throws(HeapError) -> UnsafeMutableRawPointer? {
    let pages = max(1, (byteCount + HeapGeometry.pageByteCount - 1) >> HeapGeometry.pageShift)
    guard let page = try takeRun(pages, alignment: alignment) else { return nil }
    setRecord(page, PageRecord(.block, value: pages))
    countOut(blocks: 1, bytes: pages << HeapGeometry.pageShift)
    return base + geometry.offset(ofPage: page)
  }

  /// Frees a block that is in use, whoever allocated it.
  ///
  /// - Returns: the whole pages that became free by it, if any did.
  /// - Throws: `foreign`, `notABlock` or `alreadyFree` for anything but the pointer of a block in use;
  ///   nothing has changed then.
  @discardableResult
  public func free(_ block: UnsafeMutableRawPointer) throws(HeapError) -> FreedRun? {
    switch try locateInUse(block) {
    case .slot(let slab, let slot):
      return try returnSlot(slab, slot)
    case .run(let page, let pages):
      setRecord(page, PageRecord(.none, flags: PageRecord.freedBlock))
      countOut(blocks: -1, bytes: -(pages << HeapGeometry.pageShift))
      return try releaseRun(page, pages)
    }
  }
}
