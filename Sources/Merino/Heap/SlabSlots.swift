// Slots leave a slab and come back, always under the global lock. A slab with free slots is in a list,
// one without is in none, and one whose slots are all free goes back to the pages.

extension SharedHeap {
  /// A new slab for `node` (-1: for nobody); nil if no run of pages is left for it.
  func makeSlab(_ sizeClass: SizeClass, owner node: Int) throws(HeapError) -> Slab? {
    let pages = sizeClass.slabPageCount
    guard let page = try takeRun(pages, alignment: 1) else { return nil }
    for distance in 0..<pages {
      setRecord(page + distance, PageRecord(.slab, value: distance))
    }
    let header = base + geometry.offset(ofPage: page)
    // The pages may hold what an earlier block left there.
    let end = (Slab.Field.states + sizeClass.slotCount + 7) & ~7
    header.initializeMemory(as: UInt8.self, repeating: 0, count: end)
    let slab = Slab(page: page, sizeClass: sizeClass, header: header)
    slab.setField(Slab.Field.magic, Slab.Field.magicValue + UInt64(sizeClass.index))
    slab.setField(Slab.Field.freeCount, UInt64(sizeClass.slotCount))
    slab.setField(Slab.Field.owner, UInt64(node + 1))
    try enlist(slab)
    return slab
  }

  /// Takes up to `limit` free slots, in the order of their addresses, and gives them `state`.
  /// `body` gets each. The slab is in a list, so it has at least one.
  func takeSlots(
    _ slab: Slab, _ limit: Int, state: UInt8, _ body: (Int) -> Void
  ) throws(HeapError) {
    var slot = min(Int(truncatingIfNeeded: slab.field(Slab.Field.hint) & 0xFFFF), slab.sizeClass.slotCount)
    var taken = 0
    while taken < limit, let found = slab.freeSlot(from: slot) {
      storeByte(slab.stateAddress(found), state)
      body(found)
      taken += 1
      slot = found + 1
    }
    let left = slab.freeCount &- taken
    guard taken > 0 && left >= 0 else { throw corrupt(slab: slab.page) }
    slab.setField(Slab.Field.hint, UInt64(slot))
    slab.setField(Slab.Field.freeCount, UInt64(left))
    if left == 0 { try delist(slab) }
    countOut(blocks: taken, bytes: taken * slab.sizeClass.blockByteCount)
  }

  /// Makes a slot free; what becomes of the slab's pages is returned if it was the last.
  func returnSlot(_ slab: Slab, _ slot: Int) throws(HeapError) -> FreedRun? {
    let count = slab.freeCount
    guard count >= 0 && count < slab.sizeClass.slotCount else { throw corrupt(slab: slab.page) }
    storeByte(slab.stateAddress(slot), SlotState.free)
    slab.setField(Slab.Field.freeCount, UInt64(count + 1))
    if UInt64(slot) < slab.field(Slab.Field.hint) { slab.setField(Slab.Field.hint, UInt64(slot)) }
    countOut(blocks: -1, bytes: -slab.sizeClass.blockByteCount)
    if count + 1 == slab.sizeClass.slotCount {
      if count > 0 { try delist(slab) }
      return try releaseSlab(slab)
    }
    if count == 0 { try enlist(slab) }
    return nil
  }

  /// `slab` is in no list.
  func releaseSlab(_ slab: Slab) throws(HeapError) -> FreedRun {
    let pages = slab.sizeClass.slabPageCount
    for page in slab.page..<slab.page + pages {
      setRecord(page, PageRecord(.none, flags: PageRecord.freedSlab))
    }
    return try releaseRun(slab.page, pages)
  }

  /// The node no longer fills its cache from this slab: others may.
  func disown(_ slab: Slab) throws(HeapError) {
    try delist(slab)
    slab.setField(Slab.Field.owner, 0)
    if slab.freeCount > 0 { try enlist(slab) }
  }

  func countOut(blocks: Int, bytes: Int) {
    add(HeaderField.blocksOut, blocks)
    add(HeaderField.bytesOut, bytes)
    let out = word(HeaderField.bytesOut)
    if out > word(HeaderField.peakBytesOut) { setWord(HeaderField.peakBytesOut, out) }
  }
}
