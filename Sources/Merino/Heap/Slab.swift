/// A slab: pages that blocks of one size class are carved from. Its first page is the header, with one
/// byte of state for each slot; blocks begin at the second page. So everything that the heap knows of
/// a small block lies in one page, which is no page of the user's.
///
/// A state changes between free and not free under the global lock only, and between in use and cached
/// by whoever has the block: the node whose cache holds it, or the thread that frees it. So each
/// byte has one writer at a time, ordered by the program's own synchronisation, and byte-exact diffs of
/// several nodes never meet. A free that comes after another free of the same block, on whatever node,
/// sees what that one wrote.
struct Slab: BitwiseCopyable {
  /// Its first page.
  let page: Int
  let sizeClass: SizeClass
  let header: UnsafeMutableRawPointer

  enum Field {
    static var magic: Int { 0 }
    /// Slots in state `free`.
    static var freeCount: Int { 8 }
    /// No slot below is free.
    static var hint: Int { 16 }
    /// Node + 1 that fills its cache from this slab, 0 for none.
    static var owner: Int { 24 }
    static var next: Int { 32 }
    static var previous: Int { 40 }
    /// The list that it is in: 0 none, else `SlabList.rawValue` + 1.
    static var list: Int { 48 }
    static var states: Int { 256 }
    static var magicValue: UInt64 { 0x6261_6c53_0000_0000 }  // "Slab", and the class
  }

  func field(_ offset: Int) -> UInt64 { loadWord(header + offset) }
  func setField(_ offset: Int, _ value: UInt64) { storeWord(header + offset, value) }

  /// A page number stored plus one, -1 for none.
  func link(_ offset: Int) -> Int { Int(truncatingIfNeeded: field(offset)) &- 1 }
  func setLink(_ offset: Int, _ page: Int) { setField(offset, UInt64(truncatingIfNeeded: page + 1)) }

  var freeCount: Int { Int(truncatingIfNeeded: field(Field.freeCount)) }

  func stateAddress(_ slot: Int) -> UnsafeMutableRawPointer { header + Field.states + slot }

  func block(_ slot: Int) -> UnsafeMutableRawPointer {
    header + HeapGeometry.pageByteCount + slot * sizeClass.blockByteCount
  }

  /// The first free slot from `slot` on; nil if there is none.
  func freeSlot(from slot: Int) -> Int? {
    let end = sizeClass.slotCount
    var at = slot & ~7
    // Slots before `slot` in the first word do not count.
    var ignored: UInt64 = (1 << UInt64((slot & 7) * 8)) - 1
    while at < end {
      let zeros = zeroBytes(loadWord(header + Field.states + at) | ignored)
      if zeros != 0 {
        let found = at + (zeros.trailingZeroBitCount >> 3)
        return found < end ? found : nil
      }
      ignored = 0
      at += 8
    }
    return nil
  }
}

/// The top bit of a byte is set where the lowest zero byte of `word` is (and perhaps in bytes above).
@inline(__always)
func zeroBytes(_ word: UInt64) -> UInt64 {
  (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
}

/// What a slot's byte says.
enum SlotState {
  static var free: UInt8 { 0 }
  static var inUse: UInt8 { 0xFF }
  /// In the cache of that node; nodes that share a mark are told apart by nothing, which only
  /// makes a check weaker.
  static func cached(by node: Int) -> UInt8 { UInt8(1 + node % 253) }
}

/// The slabs of a class that have free slots, in two lists.
enum SlabList: Int {
  /// Nobody fills a cache from them: anybody may.
  case unowned = 0
  /// Some node does: others take from them only when nothing else is left, so that nodes
  /// carve their blocks from pages of their own.
  case owned = 1
}

extension SharedHeap {
  func slabListOffset(_ sizeClass: SizeClass, _ list: SlabList) -> Int {
    HeaderField.slabList(sizeClass.index * 2 + list.rawValue)
  }

  /// The slab that begins at `page`, if the records and its header agree that one does.
  func slab(at page: Int) -> Slab? {
    guard page >= 0 && page < geometry.pageCount else { return nil }
    let first = record(page)
    guard first.kind == .slab && first.value == 0 else { return nil }
    let header = base + geometry.offset(ofPage: page)
    let index = Int(truncatingIfNeeded: loadWord(header) &- Slab.Field.magicValue)
    guard index >= 0 && index < SizeClass.count else { return nil }
    let sizeClass = SizeClass(index: index)
    guard page + sizeClass.slabPageCount <= geometry.pageCount else { return nil }
    return Slab(page: page, sizeClass: sizeClass, header: header)
  }

  func corrupt(slab page: Int) -> HeapError { .corrupt(offset: geometry.offset(ofPage: page)) }

  /// A slab of the class, from a list; nil where the list is empty.
  func firstSlab(_ sizeClass: SizeClass, _ list: SlabList) throws(HeapError) -> Slab? {
    let page = Int(truncatingIfNeeded: word(slabListOffset(sizeClass, list))) &- 1
    if page < 0 { return nil }
    return try listedSlab(page, sizeClass, list)
  }

  /// The slab at `page`, which a link of a list says is in it.
  func listedSlab(
    _ page: Int, _ sizeClass: SizeClass, _ list: SlabList
  ) throws(HeapError) -> Slab {
    guard let slab = slab(at: page), slab.sizeClass == sizeClass,
      slab.field(Slab.Field.list) == UInt64(list.rawValue + 1),
      slab.freeCount >= 1 && slab.freeCount <= sizeClass.slotCount
    else { throw .corrupt(offset: slabListOffset(sizeClass, list)) }
    return slab
  }

  /// Puts a slab with free slots into the list where it belongs.
  func enlist(_ slab: Slab) throws(HeapError) {
    let list: SlabList = slab.field(Slab.Field.owner) == 0 ? .unowned : .owned
    let head = slabListOffset(slab.sizeClass, list)
    let following = try firstSlab(slab.sizeClass, list)
    slab.setLink(Slab.Field.next, following?.page ?? -1)
    slab.setLink(Slab.Field.previous, -1)
    slab.setField(Slab.Field.list, UInt64(list.rawValue + 1))
    following?.setLink(Slab.Field.previous, slab.page)
    setWord(head, UInt64(slab.page + 1))
  }

  /// Takes a slab out of the list that it is in, if it is in one.
  func delist(_ slab: Slab) throws(HeapError) {
    let number = Int(truncatingIfNeeded: slab.field(Slab.Field.list))
    if number == 0 { return }
    guard let list = SlabList(rawValue: number &- 1) else { throw corrupt(slab: slab.page) }
    let (previous, next) = (slab.link(Slab.Field.previous), slab.link(Slab.Field.next))
    let after = next < 0 ? nil : try listedSlab(next, slab.sizeClass, list)
    guard after.map({ $0.link(Slab.Field.previous) == slab.page }) ?? true else {
      throw corrupt(slab: slab.page)
    }
    if previous < 0 {
      let head = slabListOffset(slab.sizeClass, list)
      guard word(head) == UInt64(slab.page + 1) else { throw .corrupt(offset: head) }
      setWord(head, UInt64(truncatingIfNeeded: next + 1))
    } else {
      let before = try listedSlab(previous, slab.sizeClass, list)
      guard before.link(Slab.Field.next) == slab.page else { throw corrupt(slab: previous) }
      before.setLink(Slab.Field.next, next)
    }
    after?.setLink(Slab.Field.previous, previous)
    slab.setField(Slab.Field.list, 0)
  }
}
