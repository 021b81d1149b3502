/// A node's own stock of small blocks: most allocations and frees of a node need no global lock.
///
/// Blocks come from the heap and go back to it in batches. Meanwhile they belong to the node: each has
/// its slot marked as cached by it, in the shared slab header, and an entry in the cache's private memory. A
/// block that any node allocated and that is freed here may be handed out here again at once.
///
/// **Locking.** Every call is made under one lock of the node, which any of its threads may take, and those
/// of `HeapCache+Exchange.swift` under the heap's global lock too, taken first:
///
///     allocate:  node lock { cache.allocate }     nil: global lock { node lock { cache.allocateRefilling } }
///     free:      node lock { cache.free }       false: global lock { node lock { cache.freeFlushing } }
///
/// **Order.** A free through the cache and the next allocation of the block from it are ordered by
/// the node's lock, and see each other through the hardware. What other nodes wrote into the block happened
/// before the free, so this node had acquired it: no late diff and no stale copy of it can come. A block that
/// goes to another node goes through the global lock.
///
/// **Double frees.** A free changes the slot's state from in use, an allocation changes it back. A second
/// free that the first happens before sees the state that the first left, on any node, cached or not, and
/// fails. Two frees of one block that nothing orders are a data race of the program; if both got into caches,
/// the second to come back to the heap (or to be handed out, where this node sees the other's mark) is found.
///
/// **Counting.** Each node keeps the number of its cached blocks in a shared page of its own, so that
/// `SharedHeap.statistics` is exact for everything that happened before it.
///
/// **Bound.** At most `HeapCache.cachedByteCountMax` bytes per node are cached.
@frozen
public struct HeapCache: BitwiseCopyable, @unchecked Sendable {
  /// The heap that the blocks are from.
  public let heap: SharedHeap
  /// The node whose cache this is.
  public let node: Int
  let memory: UnsafeMutableRawPointer

  /// Bytes of private memory of the node that a cache needs, zeroed, at a multiple of 8.
  public static var byteCount: Int { entriesOffset(SizeClass(index: SizeClass.count)) }

  /// Bytes of blocks that one node's cache holds at most (about 1 MiB).
  public static var cachedByteCountMax: Int {
    (0..<SizeClass.count).reduce(0) {
      $0 + SizeClass(index: $1).cacheCapacity * SizeClass(index: $1).blockByteCount
    }
  }

  /// The cache of `node` (below the heap's node count), empty; one per node. `memory` stays the node's
  /// for as long as the cache is used.
  public init(heap: SharedHeap, node: Int, memory: UnsafeMutableRawPointer) {
    precondition(node >= 0 && node < heap.geometry.nodeCount, "the heap was made for fewer nodes")
    self.heap = heap
    self.node = node
    self.memory = memory
    for index in 0..<SizeClass.count { prepareStock(SizeClass(index: index)) }
    for offset in [0, 8] where heap.word(heap.geometry.counters(of: node) + offset) != 0 {
      heap.setWord(heap.geometry.counters(of: node) + offset, 0)
    }
  }

  /// Takes a block from the cache.
  ///
  /// - Returns: nil where the cache has none: call `allocateRefilling` under the global lock.
  /// - Throws: `invalidAlignment`; `corrupt` where a cached block turns out to be somebody else's.
  public func allocate(
    _ byteCount: Int, alignment: Int = 16
  ) throws(HeapError) -> UnsafeMutableRawPointer? {
    guard alignment > 0 && alignment & (alignment - 1) == 0 else { throw .invalidAlignment(alignment) }
    guard byteCount >= 0, let sizeClass = SizeClass(holding: max(byteCount, 1), alignment: alignment) else {
      return nil
    }
    let left = count(sizeClass) - 1
    guard left >= 0 else { return nil }
    setCount(sizeClass, left)
    countCached(sizeClass, -1)
    let entry = entry(sizeClass, left)
    let slab = Slab(
      page: entry.page, sizeClass: sizeClass,
      header: heap.base + heap.geometry.offset(ofPage: entry.page))
    guard loadByte(slab.stateAddress(entry.slot)) == mark else { throw heap.corrupt(slab: entry.page) }
    storeByte(slab.stateAddress(entry.slot), SlotState.inUse)
    return slab.block(entry.slot)
  }

  /// Keeps a small block that is in use and that the caller has to itself.
  ///
  /// - Returns: false where it cannot: the block is large, or the cache full of its size. Call
  ///   `freeFlushing` under the global lock; nothing has changed.
  /// - Throws: as `SharedHeap.free`; nothing has changed then.
  public func free(_ block: UnsafeMutableRawPointer) throws(HeapError) -> Bool {
    guard case .slot(let slab, let slot) = try heap.locateInUse(block) else { return false }
    let held = count(slab.sizeClass)
    guard held < slab.sizeClass.cacheCapacity else { return false }
    storeByte(slab.stateAddress(slot), mark)
    setEntry(slab.sizeClass, held, page: slab.page, slot: slot)
    setCount(slab.sizeClass, held + 1)
    countCached(slab.sizeClass, 1)
    return true
  }

  var mark: UInt8 { SlotState.cached(by: node) }

  /// The node's counters have one writer, this node under its lock.
  func countCached(_ sizeClass: SizeClass, _ blocks: Int) {
    let counters = heap.geometry.counters(of: node)
    heap.add(counters, blocks * sizeClass.blockByteCount)
    heap.add(counters + 8, blocks)
  }
}

// The private memory: for each class the number of its entries, the slab that they are filled from and
// where its entries are; then the entries, each a slab's page and a slot. Last in, first out.
extension HeapCache {
  static var stockByteCount: Int { 24 }

  static func entriesOffset(_ c: SizeClass) -> Int {
    (0..<c.index).reduce(SizeClass.count * stockByteCount) {
      $0 + SizeClass(index: $1).cacheCapacity * 8
    }
  }

  /// Sound for the classes that there are: `memory` has `byteCount` bytes and is this node's alone.
  func stock(_ c: SizeClass) -> UnsafeMutableRawPointer { memory + c.index * Self.stockByteCount }

  func prepareStock(_ c: SizeClass) {
    setCount(c, 0)
    setSlabHint(c, -1)
    (stock(c) + 16).storeBytes(of: Self.entriesOffset(c), as: Int.self)
  }

  func count(_ c: SizeClass) -> Int { stock(c).load(as: Int.self) }
  func setCount(_ c: SizeClass, _ number: Int) { stock(c).storeBytes(of: number, as: Int.self) }

  /// First page of the slab that this class was last filled from, -1 for none.
  func slabHint(_ c: SizeClass) -> Int { (stock(c) + 8).load(as: Int.self) }
  func setSlabHint(_ c: SizeClass, _ page: Int) { (stock(c) + 8).storeBytes(of: page, as: Int.self) }

  func entryAddress(_ c: SizeClass, _ index: Int) -> UnsafeMutableRawPointer {
    memory + (stock(c) + 16).load(as: Int.self) + index * 8
  }

  func entry(_ c: SizeClass, _ index: Int) -> (page: Int, slot: Int) {
    let entry = entryAddress(c, index).load(as: UInt64.self)
    return (Int(entry >> 16), Int(entry & 0xFFFF))
  }

  func setEntry(_ c: SizeClass, _ index: Int, page: Int, slot: Int) {
    entryAddress(c, index).storeBytes(of: UInt64(page) << 16 | UInt64(slot), as: UInt64.self)
  }
}
