import Glibc
import Heap
import Testing

@Suite("Heap: limits, memory given back, opening")
struct HeapLimitTests {
  @Test(
    "A full heap gives nil, and all of it comes back",
    arguments: [16, 48, 1000, 4096, 5000, 32768, 40000, 1 << 20])
  func exhaustion(_ byteCount: Int) throws {
    let region = try Region(4 << 20)
    let heap = region.heap
    var counts: [Int] = []
    for round in 0..<2 {
      var blocks: [UnsafeMutableRawPointer] = []
      while let pointer = try heap.allocate(byteCount) { blocks.append(pointer) }
      counts.append(blocks.count)
      let usable = try heap.usableByteCount(blocks[0])
      #expect(blocks.count * usable >= (4 << 20) * 3 / 4, "of 4 MiB")
      #expect(try heap.allocate(byteCount) == nil)
      _ = try heap.audit()
      // In another order than they came: every other one first.
      for (index, pointer) in blocks.enumerated() where index % 2 == round { try heap.free(pointer) }
      for (index, pointer) in blocks.enumerated() where index % 2 != round { try heap.free(pointer) }
      #expect(try heap.audit().isEmpty)
    }
    #expect(counts[0] == counts[1])
    #expect(heap.statistics().peakBytes >= counts[0] * byteCount)
  }

  @Test("One block can be the whole heap, a byte more cannot")
  func wholeRegion() throws {
    let region = try Region(64 << 20)
    let heap = region.heap
    let all = heap.geometry.pageCount * 4096
    #expect(try heap.largestFreeByteCount() == all)
    #expect(try heap.allocate(all + 1) == nil)
    #expect(try heap.allocate(.max) == nil)
    #expect(try heap.allocate(-1) == nil)
    let block = try #require(try heap.allocate(all))
    #expect(try heap.allocate(0) == nil)
    #expect(try heap.largestFreeByteCount() == 0)
    #expect(try heap.freeTail() == nil)
    let freed = try #require(try heap.free(block))
    #expect(freed.run.count == all && freed.freed.count == all)
    #expect(try heap.freeTail()?.count == all)
  }

  @Test("A free run that only just fits is found, among longer and shorter ones of its bin")
  func exactFits() throws {
    let region = try Region(512 << 20)
    let heap = region.heap
    // Runs of 100 ... 111 pages are of one bin; walls keep them apart, and the rest is taken.
    let sizes = Array(100...111)
    var runs: [UnsafeMutableRawPointer] = []
    for pages in sizes {
      runs.append(try #require(try heap.allocate(pages * 4096)))
      _ = try #require(try heap.allocate(40 << 10))
    }
    _ = try #require(try heap.allocate(try heap.largestFreeByteCount()))
    for run in runs { try heap.free(run) }
    #expect(try heap.allocate(112 * 4096) == nil)
    for pages in sizes.reversed() { #expect(try heap.allocate(pages * 4096) != nil, "\(pages) pages") }
    _ = try heap.audit()
  }

  @Test("Freed pages are reported with the run that they joined; the tail is known")
  func freedRuns() throws {
    let region = try Region(64 << 20)
    let heap = region.heap
    let page = 4096
    let blocks = try (0..<3).map { _ in try #require(try heap.allocate(16 * page)) }
    let total = heap.geometry.pageCount * page
    #expect(try heap.freeTail()?.count == total - 48 * page)
    let first = try #require(try heap.free(blocks[0]))
    #expect(first.freed.baseAddress == blocks[0] && first.freed.count == 16 * page)
    #expect(first.run.count == 16 * page)
    let last = try #require(try heap.free(blocks[2]))
    #expect(last.freed.baseAddress == blocks[2] && last.freed.count == 16 * page)
    #expect(last.run.count == total - 32 * page)
    let middle = try #require(try heap.free(blocks[1]))
    #expect(middle.freed.count == 16 * page && middle.run.count == total)
    // A slab goes with its last block, whatever the order.
    let small = try (0..<90).map { _ in try #require(try heap.allocate(600)) }
    var freed = 0
    for pointer in small.reversed() { freed += try heap.free(pointer)?.freed.count ?? 0 }
    #expect(freed == 16 * page)
  }

  @Test("Memory that a caller discarded in freed runs may read as anything afterwards")
  func discardedMemory() throws {
    let region = try Region(16 << 20)
    let heap = region.heap
    var random = Random(77)
    var blocks: [Block] = []
    for _ in 0..<20_000 {
      if random.below(2) == 0, let pointer = try heap.allocate(random.blockByteCount(max: 1 << 18)) {
        let block = Block(pointer: pointer, byteCount: try heap.usableByteCount(pointer), seed: random.next())
        block.fill()
        blocks.append(block)
      } else if !blocks.isEmpty {
        let block = blocks.remove(at: random.below(blocks.count))
        #expect(block.isIntact)
        try heap.free(block.pointer)?.freed.initializeMemory(as: UInt8.self, repeating: 0xA7)
      }
    }
    for block in blocks { try heap.free(block.pointer) }
    #expect(try heap.audit().isEmpty)
  }

  @Test("Blocks change their size in place where the pages behind them are free")
  func resizing() throws {
    let region = try Region(64 << 20)
    let heap = region.heap
    let block = try #require(try heap.allocate(100_000))
    let wall = try #require(try heap.allocate(100_000))
    #expect(try heap.resize(block, to: 102_400).isDone)
    #expect(try !heap.resize(block, to: 102_401).isDone)
    try heap.free(wall)
    #expect(try heap.resize(block, to: 10 << 20).isDone)
    #expect(try heap.usableByteCount(block) == 10 << 20)
    let shrunk = try heap.resize(block, to: 5000)
    #expect(shrunk.isDone && shrunk.freed?.freed.count == (10 << 20) - 8192)
    #expect(try heap.usableByteCount(block) == 8192)
    #expect(try !heap.resize(block, to: .max).isDone)
    let small = try #require(try heap.allocate(100))
    #expect(try heap.usableByteCount(small) == 112)
    #expect(try heap.resize(small, to: 112).isDone)
    #expect(try heap.resize(small, to: 57).isDone)
    #expect(try !heap.resize(small, to: 113).isDone)
    #expect(try !heap.resize(small, to: 56).isDone)
    try heap.free(small)
    #expect(throws: HeapError.self) { try heap.resize(small, to: 8) }
    try heap.free(block)
    #expect(try heap.audit().isEmpty)
  }

  @Test("Neither frees nor allocations touch a page of the user's")
  func userPages() throws {
    let region = try Region(64 << 20, nodeCount: 1)
    let heap = region.heap
    let node = SimulatedNode(heap, 0, global: Mutex())
    let large = try (0..<8).map { _ in try #require(try heap.allocate(1 << 20)) }
    let small = try (0..<900).map { _ in try #require(try node.allocate(64)) }
    // Of the slab (900 of its 960 slots), all pages but its header; of the large blocks all.
    let first = try #require(small.min())
    let extents = large.map { ($0, 1 << 20) } + [(first, 15 << 12)]
    for (start, count) in extents { try #require(mprotect(start, count, PROT_NONE) == 0) }
    defer { for (start, count) in extents { mprotect(start, count, PROT_READ | PROT_WRITE) } }
    for _ in 0..<2 {
      for block in small.dropLast() { try node.free(block) }
      for _ in small.dropLast() { #expect(try node.allocate(64) != nil) }
    }
    for index in [1, 3, 2, 6] { try heap.free(large[index]) }
    #expect(try heap.resize(large[0], to: 3 << 20).isDone)
    #expect(try heap.allocate(1 << 20) == large[3])
    #expect(throws: HeapError.self) { try heap.free(large[2]) }
    _ = try heap.audit()
  }

  @Test("A heap of 64 GiB touches a handful of pages")
  func sparse() throws {
    let region = try Region(64 << 30, nodeCount: 1024)
    #expect(region.residentPageCount <= 2)
    let big = try #require(try region.heap.allocate(30 << 30))
    let other = try #require(try region.heap.allocate(30 << 30))
    try region.heap.free(big)
    try region.heap.free(other)
    #expect(region.residentPageCount <= 5)
    let small = try #require(try region.heap.allocate(64))
    try region.heap.free(small)
    #expect(region.residentPageCount <= 6)
    #expect(try region.heap.audit().isEmpty)
  }

  @Test("Opening finds the same heap; anything else is refused with a sentence")
  func opening() throws {
    let region = try Region(1 << 20, nodeCount: 4)
    let block = try #require(try region.heap.allocate(100))
    let again = try SharedHeap.open(region.base, byteCount: 1 << 20)
    #expect(again.geometry == region.heap.geometry)
    try again.free(block)
    #expect(throws: HeapError.self) { try SharedHeap.open(region.base, byteCount: 2 << 20) }
    #expect(throws: HeapError.self) { try SharedHeap.open(region.base + 16, byteCount: 1 << 19) }
    #expect(throws: HeapError.notAHeap(found: 0)) {
      try SharedHeap.open(region.base + 65536, byteCount: 1 << 19)
    }
    for byteCount in [0, 4096, 6 << 12, -1, 17 << 40] {
      let error = #expect(throws: HeapError.self) {
        try SharedHeap.format(region.base, byteCount: byteCount, nodeCount: 4)
      }
      #expect(error?.description.contains("region of \(byteCount) bytes") == true)
    }
    #expect(throws: HeapError.self) { try SharedHeap.format(region.base, byteCount: 1 << 20, nodeCount: 0) }
    #expect(try region.heap.audit().isEmpty, "a refused format changes nothing")
  }
}
