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
    let geometry = heap.geometry
    for offset in [geometry.cachedBytes(of: node), geometry.cachedBlocks(of: node)]
    where heap.word(offset) != 0 {
      heap.setWord(offset, 0)
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
    heap.add(heap.geometry.cachedBytes(of: node), blocks * sizeClass.blockByteCount)
    heap.add(heap.geometry.cachedBlocks(of: node), blocks)
  }
}

// The private memory: for each class the number of its entries, the slab that they are filled from and
// where its entries are; then the entries, each a slab's page and a slot. Last in, first out.
extension HeapCache {
  static func entriesOffset(_ c: SizeClass) -> Int {
    (0..<c.index).reduce(SizeClass.count * Stock.byteCount) {
      $0 + SizeClass(index: $1).cacheCapacity * Stock.entryByteCount
    }
  }

  /// Sound for the classes that there are: `memory` has `byteCount` bytes and is this node's alone.
  func stock(_ c: SizeClass) -> Stock { Stock(memory + c.index * Stock.byteCount) }

  func prepareStock(_ c: SizeClass) {
    setCount(c, 0)
    setSlabHint(c, -1)
    stock(c).entries.pointee = Self.entriesOffset(c)
  }

  func count(_ c: SizeClass) -> Int { stock(c).count.pointee }
  func setCount(_ c: SizeClass, _ number: Int) { stock(c).count.pointee = number }

  /// First page of the slab that this class was last filled from, -1 for none.
  func slabHint(_ c: SizeClass) -> Int { stock(c).slabHint.pointee }
  func setSlabHint(_ c: SizeClass, _ page: Int) { stock(c).slabHint.pointee = page }

  func entryAddress(_ c: SizeClass, _ index: Int) -> UnsafeMutableRawPointer {
    memory + stock(c).entries.pointee + index * Stock.entryByteCount
  }

  func entry(_ c: SizeClass, _ index: Int) -> (page: Int, slot: Int) {
    let entry = entryAddress(c, index).load(as: UInt64.self)
    return (Int(entry >> 16), Int(entry & 0xFFFF))
  }

  func setEntry(_ c: SizeClass, _ index: Int, page: Int, slot: Int) {
    entryAddress(c, index).storeBytes(of: UInt64(page) << 16 | UInt64(slot), as: UInt64.self)
  }
}

/// What a cache keeps of a size class, in its private memory.
struct Stock {
  let words: UnsafeMutablePointer<Int>

  init(_ base: UnsafeMutableRawPointer) { words = base.assumingMemoryBound(to: Int.self) }

  var count: UnsafeMutablePointer<Int> { words }
  var slabHint: UnsafeMutablePointer<Int> { words + 1 }
  /// Where its entries are.
  var entries: UnsafeMutablePointer<Int> { words + 2 }

  static var byteCount: Int { 3 * MemoryLayout<Int>.stride }
  static var entryByteCount: Int { MemoryLayout<UInt64>.stride }
}
