import Heap
import Testing

@Suite("Heap: pointers that are no block in use")
struct HeapMisuseTests {
  /// Frees what must not be freed and expects that error, and that nothing changed.
  func refused(
    _ heap: SharedHeap, _ pointer: UnsafeMutableRawPointer, _ expected: (UInt) -> HeapError,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let before = (try heap.audit(), heap.statistics())
    let error = expected(UInt(bitPattern: pointer))
    #expect(throws: error, sourceLocation: location) { try heap.free(pointer) }
    #expect(throws: error, sourceLocation: location) { try heap.usableByteCount(pointer) }
    #expect(throws: error, sourceLocation: location) { try heap.resize(pointer, to: 1) }
    #expect(try heap.audit() == before.0 && heap.statistics() == before.1, sourceLocation: location)
  }

  let freed = HeapError.alreadyFree(address:)
  let noBlock = HeapError.notABlock(address:)
  let foreign = HeapError.foreign(address:)

  @Test("Second frees, of small and large blocks, alone or among neighbours")
  func doubleFree() throws {
    let region = try Region(64 << 20)
    let heap = region.heap
    for byteCount in [1, 24, 4096, 20_000, 100_000, 4 << 20] {
      let blocks = try (0..<5).map { _ in try #require(try heap.allocate(byteCount)) }
      try heap.free(blocks[1])
      try refused(heap, blocks[1], freed)
      // Joined from the left, the right, and both sides.
      try heap.free(blocks[0])
      try heap.free(blocks[2])
      for index in 0...2 { try refused(heap, blocks[index], freed) }
      try heap.free(blocks[4])
      try heap.free(blocks[3])
      for block in blocks { try refused(heap, block, freed) }
      #expect(try heap.audit().isEmpty)
    }
  }

  @Test("A freed block's place that another block covers now")
  func coveredBlock() throws {
    let region = try Region(64 << 20)
    let heap = region.heap
    let small = try (0..<3).map { _ in try #require(try heap.allocate(40_000)) }
    for block in small { try heap.free(block) }
    let cover = try #require(try heap.allocate(1 << 20))
    #expect(cover == small[0])
    try refused(heap, small[1], freed)
    try refused(heap, cover + 4096, noBlock)
    try heap.free(cover)
    try refused(heap, cover, freed)
  }

  @Test("The middle of a block, and memory that nobody has had")
  func interior() throws {
    let region = try Region(64 << 20)
    let heap = region.heap
    let small = try #require(try heap.allocate(48))
    let large = try #require(try heap.allocate(1 << 20))
    for offset in [1, 8, 16, 47] { try refused(heap, small + offset, noBlock) }
    for offset in [1, 16, 4096, (1 << 20) - 1] { try refused(heap, large + offset, noBlock) }
    // A slot of the slab that nobody has had is not told from one that was freed.
    try refused(heap, small + 48, freed)
    try refused(heap, large + (2 << 20), noBlock)
    // The slab's own header page: its first block begins a page after it.
    try refused(heap, small - 4096, noBlock)
    try refused(heap, small - 1, noBlock)
    try heap.free(small)
    try heap.free(large)
  }

  @Test("Memory outside of the heap, its own records included")
  func outside() throws {
    let region = try Region(1 << 20)
    let heap = region.heap
    var local = 0
    try withUnsafeMutablePointer(to: &local) { try refused(heap, UnsafeMutableRawPointer($0), foreign) }
    try refused(heap, region.base, foreign)
    try refused(heap, region.base + 8192, foreign)
    try refused(heap, region.base - 1, foreign)
    try refused(heap, region.base + region.byteCount, foreign)
    let tail = try #require(try heap.freeTail()?.baseAddress)
    try refused(heap, tail - 1, foreign)
    try refused(heap, region.base + region.byteCount - 1, noBlock)
  }

  @Test("Every error is a sentence with the address")
  func sentences() {
    for error in [freed(0xABC0), noBlock(0xABC0), foreign(0xABC0), .corrupt(offset: 0xABC0)] {
      #expect(error.description.contains("0xabc0") && error.description.hasSuffix("."))
    }
  }

  /// Someone writes over the heap's records. Every call after that works, gives nil or throws; none
  /// crashes, hangs, or hands out memory outside of the heap.
  @Test("Records that somebody wrote over give errors, never a crash", arguments: 0..<100)
  func corruption(_ seed: Int) throws {
    let region = try Region(4 << 20, nodeCount: 2)
    let heap = region.heap
    var random = Random(UInt64(seed))
    var blocks: [UnsafeMutableRawPointer] = []
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: HeapCache.byteCount, alignment: 8)
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    defer { memory.deallocate() }
    let cache = HeapCache(heap: heap, node: 0, memory: try #require(memory.baseAddress))
    func step() throws {
      let byteCount = random.blockByteCount(max: 1 << 19)
      switch random.below(6) {
      case 0: if let block = try heap.allocate(byteCount) { blocks.append(block) }
      case 1, 2: if let block = try cache.allocateRefilling(byteCount) { blocks.append(block) }
      case 3 where !blocks.isEmpty: try heap.free(blocks.remove(at: random.below(blocks.count)))
      case 4 where !blocks.isEmpty: try cache.freeFlushing(blocks.remove(at: random.below(blocks.count)))
      default:
        if let block = blocks.randomElement(using: &random) { _ = try heap.resize(block, to: byteCount) }
      }
    }
    for _ in 0..<300 { try step() }
    _ = try heap.audit()
    var refusals = 0
    var strangers = 0
    for _ in 0..<300 {
      corruptOneWord(region.base, &random)
      for _ in 0..<5 {
        do { try step() } catch { refusals += 1 }
      }
      strangers += blocks.suffix(5).count { $0 <= region.base || $0 >= region.base + region.byteCount }
    }
    #expect(strangers == 0, "blocks outside of the heap")
    #expect(refusals > 0, "nothing was noticed")
    #expect(throws: HeapError.self) { try heap.audit() }
  }

  /// Header fields, records, and the pages that were slabs' headers: bits, small numbers or anything.
  func corruptOneWord(_ base: UnsafeMutableRawPointer, _ random: inout Random) {
    let spots = [
      64 + random.below(3200), 12288 + random.below(16384),
      (12288 + 16384) + random.below(64) * 16384 + random.below(320),
    ]
    let at = base + (spots[random.below(3)] & ~7)
    let old = at.load(as: UInt64.self)
    let values = [
      old ^ (1 << UInt64(random.below(64))), UInt64(random.below(1100)), random.next(), 0, old &+ 1, old &- 1,
      0xF1 | UInt64(random.below(1100)) << 16, 0xB3 | UInt64(random.below(70)) << 16,
    ]
    at.storeBytes(of: values[random.below(values.count)], as: UInt64.self)
  }
}
