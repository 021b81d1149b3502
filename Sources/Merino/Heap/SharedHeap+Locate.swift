/// Where a block lies.
enum BlockPlace {
  case slot(Slab, Int)
  case run(page: Int, pages: Int)
}

extension SharedHeap {
  /// Bytes of the block that its user may use. Whoever has the block may call this without the
  /// global lock.
  ///
  /// - Throws: as `free`.
  public func usableByteCount(_ block: UnsafeMutableRawPointer) throws(HeapError) -> Int {
    switch try locateInUse(block) {
    case .slot(let slab, _): return slab.sizeClass.blockByteCount
    case .run(_, let pages): return pages << HeapGeometry.pageShift
    }
  }

  /// The block in use that begins at `block`.
  ///
  /// Reads only the record of the block's own page, its slab's constant fields and its own state: as long as
  /// the block is in use nobody but its holder changes those, so that the holder needs no global lock. And
  /// whatever freed it before, if that happened before this call, is seen.
  func locateInUse(_ block: UnsafeMutableRawPointer) throws(HeapError) -> BlockPlace {
    let place = try locate(block)
    if case .slot(let slab, let slot) = place {
      guard loadByte(slab.stateAddress(slot)) == SlotState.inUse else {
        throw .alreadyFree(address: UInt(bitPattern: block))
      }
    }
    return place
  }

  /// Where the block that begins at `block` is; a small one need not be in use.
  func locate(_ block: UnsafeMutableRawPointer) throws(HeapError) -> BlockPlace {
    let address = UInt(bitPattern: block)
    let offset = address &- UInt(bitPattern: base) &- UInt(geometry.data)
    guard offset < UInt(geometry.pageCount << HeapGeometry.pageShift) else {
      throw .foreign(address: address)
    }
    let page = Int(offset) >> HeapGeometry.pageShift
    let isPageStart = offset & UInt(HeapGeometry.pageByteCount - 1) == 0
    let entry = record(page)
    switch entry.kind {
    case .slab:
      return try locateSlot(block, page, entry.value)
    case .block where isPageStart:
      guard entry.value >= 1 && entry.value <= geometry.pageCount - page else { throw corrupt(record: page) }
      return .run(page: page, pages: entry.value)
    case nil:
      throw corrupt(record: page)
    default:
      let wasFreed =
        entry.flags & PageRecord.freedSlab != 0 || isPageStart && entry.flags & PageRecord.freedBlock != 0
      throw wasFreed ? .alreadyFree(address: address) : .notABlock(address: address)
    }
  }

  func locateSlot(
    _ block: UnsafeMutableRawPointer, _ page: Int, _ distance: Int
  ) throws(HeapError) -> BlockPlace {
    guard distance <= page, let slab = slab(at: page - distance),
      distance < slab.sizeClass.slabPageCount
    else { throw corrupt(record: page) }
    // Below zero in the slab's header page.
    let offset = block - slab.header - HeapGeometry.pageByteCount
    let size = slab.sizeClass.blockByteCount
    let (slot, rest) = UInt32(truncatingIfNeeded: max(offset, 0)).quotientAndRemainder(
      dividingBy: UInt32(truncatingIfNeeded: size))
    guard offset >= 0 && rest == 0 && Int(slot) < slab.sizeClass.slotCount else {
      throw .notABlock(address: UInt(bitPattern: block))
    }
    return .slot(slab, Int(slot))
  }
}
