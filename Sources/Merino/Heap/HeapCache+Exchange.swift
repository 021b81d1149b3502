// Between the cache and the heap: under the global lock and, inside it, the node's.

extension HeapCache {
  /// Allocates, filling the cache with the next blocks of that size on the way.
  ///
  /// - Returns: nil if there is no room, not even with this cache emptied.
  public func allocateRefilling(
    _ byteCount: Int, alignment: Int = 16, freed: (FreedRun) -> Void = { _ in }
  ) throws(HeapError) -> UnsafeMutableRawPointer? {
    // Another thread of the node may have filled it meanwhile.
    if let block = try allocate(byteCount, alignment: alignment) { return block }
    guard byteCount >= 0 && byteCount <= heap.geometry.pageCount << HeapGeometry.pageShift else { return nil }
    if let sizeClass = SizeClass(holding: max(byteCount, 1), alignment: alignment) {
      try refill(sizeClass)
      if let block = try allocate(byteCount, alignment: alignment) { return block }
    }
    if let block = try heap.allocate(byteCount, alignment: alignment) { return block }
    try drain(freed: freed)
    return try heap.allocate(byteCount, alignment: alignment)
  }

  /// Frees a block, large ones and those for which the cache has no place included; half of the
  /// cached blocks of its size go back to the heap with it.
  ///
  /// - Parameter freed: called for all whole pages that become free; takes no lock and does not call the
  ///   heap.
  /// - Throws: as `SharedHeap.free`; the block is then as before.
  public func freeFlushing(
    _ block: UnsafeMutableRawPointer, freed: (FreedRun) -> Void = { _ in }
  ) throws(HeapError) {
    if case .slot(let slab, _) = try heap.locateInUse(block) {
      // Another thread of the node may have flushed it meanwhile.
      if try free(block) { return }
      try flush(slab.sizeClass, slab.sizeClass.batchCount, freed)
      _ = try free(block)
    } else if let run = try heap.free(block) {
      freed(run)
    }
  }

  /// Gives all cached blocks back: when the node leaves, or memory is short.
  public func drain(freed: (FreedRun) -> Void = { _ in }) throws(HeapError) {
    for index in 0..<SizeClass.count {
      let sizeClass = SizeClass(index: index)
      try flush(sizeClass, count(sizeClass), freed)
      try leaveSlab(sizeClass)
    }
  }

  /// Fills an empty stock with up to a batch; leaves it empty if there is no slab to be had.
  func refill(_ sizeClass: SizeClass) throws(HeapError) {
    guard let slab = try slabToFillFrom(sizeClass) else { return }
    if Int(truncatingIfNeeded: heap.word(HeaderField.cachingNodesEnd)) <= node {
      heap.setWord(HeaderField.cachingNodesEnd, UInt64(node + 1))
    }
    // Entries are handed out from the end: in descending order, so that addresses ascend.
    var taken = 0
    let batch = sizeClass.batchCount
    try heap.takeSlots(slab, batch, state: mark) { slot in
      taken += 1
      setEntry(sizeClass, batch - taken, page: slab.page, slot: slot)
    }
    if taken < batch {
      for index in 0..<taken {
        let moved = entry(sizeClass, batch - taken + index)
        setEntry(sizeClass, index, page: moved.page, slot: moved.slot)
      }
    }
    setCount(sizeClass, taken)
    countCached(sizeClass, taken)
  }

  /// The slab that this node fills from, as long as it has free slots; then one that nobody fills
  /// from, a new one, and at last another node's.
  func slabToFillFrom(_ sizeClass: SizeClass) throws(HeapError) -> Slab? {
    if let slab = ownSlab(sizeClass), slab.freeCount > 0 { return slab }
    try leaveSlab(sizeClass)
    if let slab = try heap.firstSlab(sizeClass, .unowned) {
      try heap.delist(slab)
      slab.setField(Slab.Field.owner, UInt64(node + 1))
      try heap.enlist(slab)
      setSlabHint(sizeClass, slab.page)
      return slab
    }
    if let slab = try heap.makeSlab(sizeClass, owner: node) {
      setSlabHint(sizeClass, slab.page)
      return slab
    }
    return try heap.firstSlab(sizeClass, .owned)
  }

  /// The slab of the hint, if it is still this node's: when its last block came back it went, and
  /// its pages may be anything now.
  func ownSlab(_ sizeClass: SizeClass) -> Slab? {
    guard let slab = heap.slab(at: slabHint(sizeClass)), slab.sizeClass == sizeClass,
      slab.field(Slab.Field.owner) == UInt64(node + 1)
    else { return nil }
    return slab
  }

  func leaveSlab(_ sizeClass: SizeClass) throws(HeapError) {
    if let slab = ownSlab(sizeClass) { try heap.disown(slab) }
    setSlabHint(sizeClass, -1)
  }

  /// Gives the `number` blocks back that have been in the cache longest.
  func flush(
    _ sizeClass: SizeClass, _ number: Int, _ freed: (FreedRun) -> Void
  ) throws(HeapError) {
    let held = count(sizeClass)
    let leaving = min(number, held)
    for index in 0..<leaving {
      let (page, slot) = entry(sizeClass, index)
      guard let slab = heap.slab(at: page), slab.sizeClass == sizeClass,
        loadByte(slab.stateAddress(slot)) == mark
      else { throw heap.corrupt(slab: page) }
      countCached(sizeClass, -1)
      if let run = try heap.returnSlot(slab, slot) { freed(run) }
    }
    for index in leaving..<held {
      let kept = entry(sizeClass, index)
      setEntry(sizeClass, index - leaving, page: kept.page, slot: kept.slot)
    }
    setCount(sizeClass, held - leaving)
  }
}
