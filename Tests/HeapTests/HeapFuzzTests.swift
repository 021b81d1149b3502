import Heap
import Testing

@Suite("Heap: random operations against a model")
struct HeapFuzzTests {
  /// Region sizes from cramped, where most large requests fail, to roomy.
  @Test(
    "Blocks never overlap, keep their contents, are aligned, and all of them coalesce when freed",
    arguments: [(1, 1 << 20), (2, 4 << 20), (3, 64 << 20), (4, 1 << 30), (5, 300 << 10)])
  func model(_ seed: Int, _ regionByteCount: Int) throws {
    let region = try Region(regionByteCount)
    let heap = region.heap
    var random = Random(UInt64(seed))
    var blocks: [Block] = []
    var bytes = 0
    var failures = 0
    for step in 0..<20_000 {
      switch random.below(blocks.count > 400 ? 16 : 10) {
      case 0..<6:
        let byteCount = random.blockByteCount(max: regionByteCount)
        let alignment = random.below(4) == 0 ? 1 << random.below(15) : 16
        guard let pointer = try heap.allocate(byteCount, alignment: alignment) else {
          failures += 1
          continue
        }
        #expect(UInt(bitPattern: pointer) % UInt(max(16, alignment)) == 0)
        let usable = try heap.usableByteCount(pointer)
        #expect(usable >= max(byteCount, 1))
        #expect(pointer + usable <= heap.untouched, "memory that is somebody's passes for untouched")
        bytes += usable
        let block = Block(pointer: pointer, byteCount: usable, seed: random.next())
        block.fill()
        blocks.append(block)
      case 6 where !blocks.isEmpty:
        let index = random.below(blocks.count)
        bytes += try resize(heap, &blocks[index], &random)
      default:
        guard !blocks.isEmpty else { continue }
        let block = blocks.remove(at: random.below(blocks.count))
        #expect(block.isIntact, "step \(step)")
        bytes -= try heap.usableByteCount(block.pointer)
        try heap.free(block.pointer)
      }
      if step % 1000 == 0 {
        let audit = try heap.audit()
        #expect(audit.bytesOut == bytes)
        #expect(audit.pageBlocks + audit.slotsInUse == blocks.count)
      }
    }
    if regionByteCount <= 1 << 20 { #expect(failures > 0, "the small region was never full") }
    for block in blocks {
      #expect(block.isIntact)
      try heap.free(block.pointer)
    }
    #expect(try heap.audit().isEmpty, "seed \(seed)")
    #expect(heap.statistics().bytesInUse == 0)
  }

  /// Tries a new size in place; what its usable size changed by.
  func resize(_ heap: SharedHeap, _ block: inout Block, _ random: inout Random) throws -> Int {
    let before = try heap.usableByteCount(block.pointer)
    let wanted = random.blockByteCount(max: 1 << 21)
    let isDone = try heap.resize(block.pointer, to: wanted).isDone
    let after = try heap.usableByteCount(block.pointer)
    if isDone { #expect(after >= wanted) } else { #expect(after == before) }
    #expect(block.isIntact(first: min(before, after)))
    block = Block(pointer: block.pointer, byteCount: after, seed: random.next())
    block.fill()
    return after - before
  }

  @Test("What a block has grown by is not untouched any more, and stays so when it shrinks")
  func growing() throws {
    let region = try Region(64 << 20)
    let heap = region.heap
    let block = try #require(try heap.allocate(64 << 10))
    #expect(heap.untouched == block + (64 << 10))
    #expect(try heap.resize(block, to: 1 << 20).isDone && heap.untouched == block + (1 << 20))
    #expect(try heap.resize(block, to: 64 << 10).isDone && heap.untouched == block + (1 << 20))
    try heap.free(block)
    #expect(heap.untouched == block + (1 << 20))
  }

  @Test(
    "Every small size, and sizes about every power of two, get what they asked for",
    arguments: [1, 16, 64, 4096])
  func sizes(_ alignment: Int) throws {
    let region = try Region(1 << 34)
    let heap = region.heap
    let around = (12..<34).flatMap { bits in (-2...2).map { (1 << bits) + $0 } }
    for byteCount in Array(0...4200) + around where byteCount < 1 << 33 {
      let pointer = try #require(try heap.allocate(byteCount, alignment: alignment), "\(byteCount)")
      let usable = try heap.usableByteCount(pointer)
      #expect(UInt(bitPattern: pointer) % UInt(max(16, alignment)) == 0)
      #expect(usable >= byteCount)
      if alignment <= 16 {
        // Rounding loses less than 16 bytes, or a fifth; from a page on less than a page.
        let loss = usable - max(byteCount, 1)
        #expect(loss < 16 || loss * 5 <= usable || byteCount > 4096 && loss < 4096, "\(byteCount): \(usable)")
      }
      try heap.free(pointer)
    }
    #expect(try heap.audit().isEmpty)
  }

  @Test("Alignments up to 2 MiB and beyond, to the last place where one fits")
  func alignments() throws {
    let region = try Region(256 << 20)
    let heap = region.heap
    for shift in 0...26 {
      var blocks: [UnsafeMutableRawPointer] = []
      while blocks.count < 40, let pointer = try heap.allocate(24, alignment: 1 << shift) {
        #expect(UInt(bitPattern: pointer) & (1 << UInt(shift) - 1) == 0)
        blocks.append(pointer)
      }
      #expect(Set(blocks).count == blocks.count)
      // Of 256 MiB less the records, this many multiples of the alignment are free whatever the base.
      #expect(blocks.count >= min(40, (250 << 20) >> shift - 1))
      for pointer in blocks { try heap.free(pointer) }
      #expect(try heap.audit().isEmpty)
    }
    #expect(throws: HeapError.invalidAlignment(24)) { try heap.allocate(8, alignment: 24) }
    #expect(throws: HeapError.invalidAlignment(0)) { try heap.allocate(8, alignment: 0) }
    #expect(try heap.allocate(8, alignment: 1 << 62) == nil)
  }
}
