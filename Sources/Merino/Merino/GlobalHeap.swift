import CPlatform
import Coherence
import Heap
import Node
import Synchronization

/// The job's heap: a shared segment that is there from joining on, managed by `SharedHeap` under one of the
/// library's locks, with a cache of small blocks on each node.
///
/// Taking the lock is an acquire and giving it back a release, so a free happens before the bytes are
/// allocated again, wherever that is; within a node the cache's lock orders them.
final class GlobalHeap: Sendable {
  /// The lock that guards the heap.
  static let lockID = 1
  private let engine: NodeEngine
  private let baseAddress: UInt
  /// The coherence unit is a page, so that counters of different nodes share none.
  private let shape: SegmentShape

  private struct Local {
    var heap: SharedHeap?
    var cache: HeapCache?
  }
  /// The node's lock of the cache; taken behind the global one.
  private let local = Mutex(Local())
  nonisolated(unsafe) private let cacheMemory: UnsafeMutableRawPointer

  init(engine: NodeEngine, base: UInt) {
    self.engine = engine
    baseAddress = base
    let chunk = engine.configuration.chunkPageCount
    // Half of the global address space, from its beginning.
    let pages = max(engine.configuration.pageCount / 2 / chunk * chunk, chunk)
    shape = SegmentShape(firstPage: 0, pageCount: min(pages, engine.configuration.pageCount))
    cacheMemory = UnsafeMutableRawPointer.allocate(byteCount: HeapCache.byteCount, alignment: 64)
    cacheMemory.initializeMemory(as: UInt8.self, repeating: 0, count: HeapCache.byteCount)
  }

  deinit { cacheMemory.deallocate() }

  private var byteCount: Int { shape.pageCount << engine.configuration.pageShift }

  /// Attaches the heap on this node; node 0 formats it. The nodes meet in `bootstrapBarrier` in between.
  func attach(_ runtime: Runtime, _ bootstrapBarrier: () throws(MerinoError) -> Void) throws(MerinoError) {
    engine.pages.definePlain(pageCount: shape.pageCount)
    do throws(AddressSpaceError) {
      _ = try runtime.space.attach(0..<byteCount, limit: .readWrite)
    } catch {
      throw MerinoError(error)
    }
    if engine.node == 0 { try runtime.segments.reserve(shape) }
    try bootstrapBarrier()
    guard let base = UnsafeMutableRawPointer(bitPattern: baseAddress) else { return }
    try withGlobalLock("set up the heap") { () throws(HeapError) in
      // Under the lock: the first to come formats, the others find it done.
      let isFormatted = base.load(as: UInt64.self) != 0
      let heap =
        isFormatted
        ? try SharedHeap.open(base, byteCount: byteCount)
        : try SharedHeap.format(base, byteCount: byteCount, nodeCount: engine.configuration.nodeCount)
      local.withLock {
        $0.heap = heap
        $0.cache = HeapCache(heap: heap, node: engine.node.number, memory: cacheMemory)
      }
    }
  }

  private func withGlobalLock<R>(
    _ attempt: String, _ body: () throws(HeapError) -> R
  ) throws(MerinoError) -> R {
    let outcome = try attempting(attempt) { () throws(EngineError) in
      try engine.withLibraryLock(Self.lockID) { Result(catching: body) }
    }
    do throws(HeapError) {
      return try outcome.get()
    } catch {
      throw Self.sentence(error, attempt)
    }
  }

  private static func sentence(_ error: HeapError, _ attempt: String) -> MerinoError {
    switch error {
    case .invalidAlignment:
      return MerinoError(.invalidArgument, "could not \(attempt): \(error)")
    case .foreign, .notABlock, .alreadyFree:
      return MerinoError(.badAddress, "could not \(attempt): \(error)")
    default:
      return MerinoError(.system, "could not \(attempt): \(error)")
    }
  }

  /// Runs `body` with the cache, under the node's lock.
  private func withCache<R>(
    _ attempt: String, _ body: (HeapCache) throws(HeapError) -> R
  ) throws(MerinoError) -> R {
    do throws(HeapError) {
      return try local.withLock { local throws(HeapError) in
        guard let cache = local.cache else { throw .notAHeap(found: 0) }
        return try body(cache)
      }
    } catch {
      throw Self.sentence(error, attempt)
    }
  }

  func allocate(_ byteCount: Int, alignment: Int) throws(MerinoError) -> UnsafeMutableRawPointer {
    let attempt = "allocate \(byteCount) bytes"
    // 0 bytes are allowed here: a pointer that can only be freed.
    if let refusal = Self.refusal(byteCount: byteCount == 0 ? 1 : byteCount, alignment: alignment, attempt) {
      throw refusal
    }
    // Also where the node's cache has a block: who could tell another node of it?
    if engine.isOver { try attempting(attempt) { () throws(EngineError) in try engine.checkPeers() } }
    if let block = try withCache(
      attempt,
      { cache throws(HeapError) in
        try cache.allocate(byteCount, alignment: alignment)
      })
    {
      return block
    }
    let block = try withGlobalLock(attempt) { () throws(HeapError) in
      try local.withLock { local throws(HeapError) in
        try local.cache?.allocateRefilling(byteCount, alignment: alignment)
      }
    }
    guard let block else { throw noRoom(attempt) }
    return block
  }

  /// As `allocate`; and how many bytes at the block's beginning somebody may have had before. The others are
  /// zero, and have no home.
  func allocateUntouched(
    _ byteCount: Int, alignment: Int
  ) throws(MerinoError) -> (block: UnsafeMutableRawPointer, usedByteCount: Int) {
    // A smaller one comes from a slab, or from the node's cache, and is zeroed in no time.
    if byteCount < Self.largeByteCount {
      return (try allocate(byteCount, alignment: alignment), byteCount)
    }
    let attempt = "allocate \(byteCount) bytes"
    if let refusal = Self.refusal(byteCount: byteCount, alignment: alignment, attempt) { throw refusal }
    if engine.isOver { try attempting(attempt) { () throws(EngineError) in try engine.checkPeers() } }
    var untouched: UnsafeMutableRawPointer?
    let made = try withGlobalLock(attempt) { () throws(HeapError) in
      try local.withLock { local throws(HeapError) in
        // Under one hold of the lock: in between others could take from it, and give it back.
        untouched = local.heap?.untouched
        return try local.cache?.allocateRefilling(byteCount, alignment: alignment)
      }
    }
    guard let block = made else { throw noRoom(attempt) }
    return (block, min(max((untouched ?? block + byteCount) - block, 0), byteCount))
  }

  private func noRoom(_ attempt: String) -> MerinoError {
    MerinoError(
      .outOfMemory,
      "could not \(attempt): the heap of \(byteCount) bytes has no room for it; set MERINO_CAPACITY "
        + "to more on all nodes (half of it is the heap).")
  }

  private static var largeByteCount: Int { 1 << 20 }

  /// Why no block of this size, at least 1, and alignment can be asked for, if so.
  static func refusal(byteCount: Int, alignment: Int, _ attempt: String) -> MerinoError? {
    guard alignment > 0, alignment & (alignment - 1) == 0, alignment <= 2 << 20 else {
      return MerinoError(
        .invalidArgument,
        "could not \(attempt): an alignment is a power of two up to 2 MiB, not \(alignment).")
    }
    guard byteCount >= 0 else {
      return MerinoError(.outOfMemory, "could not \(attempt): no address can name so many.")
    }
    guard byteCount > 0 else {
      return MerinoError(.invalidArgument, "could not \(attempt): it takes at least 1.")
    }
    return nil
  }

  func free(_ block: UnsafeMutableRawPointer) throws(MerinoError) {
    let attempt = "free 0x\(String(UInt(bitPattern: block), radix: 16))"
    if engine.isOver { try attempting(attempt) { () throws(EngineError) in try engine.checkPeers() } }
    if try withCache(attempt, { cache throws(HeapError) in try cache.free(block) }) { return }
    try withGlobalLock(attempt) { () throws(HeapError) in
      try local.withLock { local throws(HeapError) in try local.cache?.freeFlushing(block) }
    }
  }

  /// Makes the block longer or shorter where it is; false where it has to move. And its usable bytes.
  func resize(_ block: UnsafeMutableRawPointer, to byteCount: Int) throws(MerinoError) -> (Bool, Int) {
    try withGlobalLock("resize a block to \(byteCount) bytes") { () throws(HeapError) in
      try local.withLock { local throws(HeapError) in
        guard let heap = local.heap else { return (false, 0) }
        let usable = try heap.usableByteCount(block)
        return (try heap.resize(block, to: byteCount).isDone, usable)
      }
    }
  }

  func statistics() throws(MerinoError) -> HeapStatistics? {
    try withGlobalLock("count the heap's bytes") { () throws(HeapError) in
      local.withLock { $0.heap?.statistics() }
    }
  }
}

extension Cluster {
  /// Allocates a block of shared memory, whose address means the same on every node; any node may free it.
  /// The contents are undefined.
  ///
  /// - Parameters:
  ///   - byteCount: 0 gives a pointer that can only be freed.
  ///   - alignment: a power of two up to 2 MiB.
  /// - Throws: `.outOfMemory`, `.invalidArgument`, `.peerLost`.
  public func allocate(byteCount: Int, alignment: Int = 16) throws(MerinoError) -> UnsafeMutableRawPointer {
    try Runtime.current().heap.allocate(byteCount, alignment: alignment)
  }

  /// As `allocate`, of zeros.
  ///
  /// - Throws: as `allocate`.
  public func allocateZeroed(byteCount: Int) throws(MerinoError) -> UnsafeMutableRawPointer {
    let heap = try Runtime.current().heap
    let (block, used) = try heap.allocateUntouched(byteCount, alignment: 16)
    // Written here and by nobody else: who gets the pointer is ordered after this.
    cplatform_zero(block, used)
    return block
  }

  /// Allocates `count` elements of a trivial type, undefined.
  ///
  /// - Throws: as `allocate(byteCount:)`.
  public func allocate<T: BitwiseCopyable>(_: T.Type, count: Int) throws(MerinoError) -> SharedBuffer<T> {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
    let block = try allocate(
      byteCount: overflow ? .max : bytes, alignment: max(16, MemoryLayout<T>.alignment))
    return SharedBuffer(base: SharedPointer(address: UInt(bitPattern: block)), count: count)
  }

  /// Makes a block larger or smaller, moving it where needed.
  ///
  /// - Throws: as `allocate`; `.badAddress` where no block in use begins there. The old block is still there.
  public func reallocate(
    _ block: UnsafeMutableRawPointer, byteCount: Int
  ) throws(MerinoError) -> UnsafeMutableRawPointer {
    let heap = try Runtime.current().heap
    let (isDone, usable) = try heap.resize(block, to: byteCount)
    if isDone { return block }
    let moved = try heap.allocate(byteCount, alignment: 16)
    cplatform_copy(moved, block, min(usable, byteCount))
    do throws(MerinoError) {
      try heap.free(block)
    } catch {
      try? heap.free(moved)
      throw error
    }
    return moved
  }

  /// Frees a block that any node allocated.
  ///
  /// - Throws: `.badAddress` for a pointer that is no block in use; nothing has changed then.
  public func free(_ block: UnsafeMutableRawPointer) throws(MerinoError) {
    try Runtime.current().heap.free(block)
  }

  /// Frees a buffer of `allocate(_:count:)`.
  ///
  /// - Throws: as `free(_:)`.
  public func free<T>(_ buffer: SharedBuffer<T>) throws(MerinoError) {
    if let base = buffer.base.pointer { try free(UnsafeMutableRawPointer(base)) }
  }

  /// Allocates a block of zeros and gives every node the same pointer. Collective, and a barrier. In a block
  /// of 1 MiB or more, memory that nobody has had before costs nothing until it is used, and whoever writes
  /// to a page first becomes its home. Smaller blocks, and memory that was freed before, are zeroed by all
  /// nodes, each a part, which makes homes of untouched pages.
  ///
  /// - Parameters:
  ///   - byteCount: the same on all nodes, at least 1.
  ///   - alignment: the same on all nodes; `nil` for the page size.
  /// - Throws: on all nodes: `.outOfMemory`, `.invalidArgument`, `.mismatch`, `.peerLost`.
  public func collectiveAllocate(
    byteCount: Int, alignment: Int? = nil
  ) throws(MerinoError) -> UnsafeMutableRawPointer {
    let alignment = alignment ?? member.engine.configuration.pageByteCount
    let attempt = "allocate \(byteCount) bytes collectively"
    let call = Collectives.Call(
      function: 5,
      arguments: (UInt64(truncatingIfNeeded: byteCount), UInt64(truncatingIfNeeded: alignment)))
    // The block, and how many of its bytes are not zero yet.
    var answer: [UInt64] = [0, 0]
    var failure = GlobalHeap.refusal(byteCount: byteCount, alignment: alignment, attempt)
    if node == 0 && failure == nil {
      do throws(MerinoError) {
        let made = try runtime.heap.allocateUntouched(byteCount, alignment: alignment)
        answer = [UInt64(UInt(bitPattern: made.block)), UInt64(made.usedByteCount)]
      } catch {
        failure = error
      }
    }
    // Also with arguments that are refused: the others may have passed good ones, and wait.
    do throws(MerinoError) {
      try runtime.exchange(answer, from: 0..<1, call, attempt) { _, words in answer = words }
    } catch {
      if node == 0, let block = UnsafeMutableRawPointer(bitPattern: UInt(answer[0])) { try? free(block) }
      throw error
    }
    if let failure { throw failure }
    guard let block = UnsafeMutableRawPointer(bitPattern: UInt(answer[0])) else {
      throw MerinoError(
        .outOfMemory, "could not allocate \(byteCount) bytes collectively: node 0 had no room.")
    }
    // Another node's word: at most the block, whatever has become of it.
    zeroShare(of: block, Int(min(answer[1], UInt64(byteCount))))
    // All shares are zero before anybody goes on.
    try runtime.exchange([0], from: 0..<0, call, attempt) { _, _ in }
    return block
  }

  /// Zeroes this node's share of the used part of a block, whole pages in the order of the nodes.
  private func zeroShare(of block: UnsafeMutableRawPointer, _ byteCount: Int) {
    let page = member.engine.configuration.pageByteCount
    let pages = (byteCount + page - 1) / page
    let share = (pages + nodeCount - 1) / nodeCount * page
    let start = min(node * share, byteCount)
    let end = min(start + share, byteCount)
    // Allocated, and nobody else writes these bytes before the barrier that follows.
    cplatform_zero(block + start, end - start)
  }

  /// Frees a block of `collectiveAllocate`. Collective, and a barrier.
  ///
  /// - Throws: on all nodes: `.badAddress` where no such block is in use; `.mismatch`, `.peerLost`.
  public func collectiveFree(_ block: UnsafeMutableRawPointer?) throws(MerinoError) {
    let call = Collectives.Call(function: 6, arguments: (UInt64(UInt(bitPattern: block)), 0))
    var failure: MerinoError?
    // Everybody is done with the block before it is freed.
    try runtime.exchange([0], from: 0..<0, call, "free collectively") { _, _ in }
    var code: UInt64 = 0
    if node == 0, let block {
      do throws(MerinoError) { try free(block) } catch {
        failure = error
        code = 1
      }
    }
    try runtime.exchange([code], from: 0..<1, call, "free collectively") { _, words in code = words[0] }
    if let failure { throw failure }
    if code != 0 {
      throw MerinoError(.badAddress, "could not free collectively: node 0 found no such block in use.")
    }
  }

  /// Bytes of the heap's blocks in use, of all nodes.
  ///
  /// - Throws: `.peerLost`.
  public func heapBytesInUse() throws(MerinoError) -> Int {
    try Runtime.current().heap.statistics()?.bytesInUse ?? 0
  }
}
