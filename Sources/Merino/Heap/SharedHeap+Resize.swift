extension SharedHeap {
  /// Makes a block at least `byteCount` bytes long without moving it, giving back whole pages that it
  /// no longer needs.
  ///
  /// - Returns: false if it would have to move, or if moving would save more than half of it; the
  ///   block is as before, and may be kept in the second case (`usableByteCount` tells).
  /// - Throws: as `free`.
  public func resize(
    _ block: UnsafeMutableRawPointer, to byteCount: Int
  ) throws(HeapError) -> (isDone: Bool, freed: FreedRun?) {
    guard byteCount >= 0 && byteCount <= geometry.pageCount << HeapGeometry.pageShift else {
      _ = try locateInUse(block)
      return (false, nil)
    }
    switch try locateInUse(block) {
    case .slot(let slab, _):
      let size = slab.sizeClass.blockByteCount
      return (byteCount <= size && (size <= 16 || byteCount > size / 2), nil)
    case .run(let page, let pages):
      let wanted = max(1, (byteCount + HeapGeometry.pageByteCount - 1) >> HeapGeometry.pageShift)
      if wanted > pages { return (try grow(page, pages, to: wanted), nil) }
      if wanted == pages { return (true, nil) }
      return (true, try shrink(page, pages, to: wanted))
    }
  }

  /// Takes the missing pages from the free run behind the block.
  func grow(_ page: Int, _ pages: Int, to wanted: Int) throws(HeapError) -> Bool {
    let after = page + pages
    guard after < geometry.pageCount && record(after).kind == .freeHead else { return false }
    let head = try freeHead(after)
    guard pages + head.value >= wanted else { return false }
    try unlink(after, head)
    let end = after + head.value
    if end > page + wanted { try link(page + wanted, end - page - wanted) }
    setRecord(page, PageRecord(.block, value: wanted))
    add(HeaderField.pagesReserved, wanted - pages)
    noteTouched(page + wanted)
    // Blocks do not change in number.
    countOut(blocks: 0, bytes: (wanted - pages) << HeapGeometry.pageShift)
    return true
  }

  func shrink(_ page: Int, _ pages: Int, to wanted: Int) throws(HeapError) -> FreedRun {
    setRecord(page, PageRecord(.block, value: wanted))
    countOut(blocks: 0, bytes: -((pages - wanted) << HeapGeometry.pageShift))
    return try releaseRun(page + wanted, pages - wanted)
  }
}
