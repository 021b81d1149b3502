import Glibc
import Heap
import Testing

@Suite("Heap: the nodes' caches")
struct HeapCacheTests {
  func nodes(_ count: Int, _ heap: SharedHeap) -> [SimulatedNode] {
    let global = Mutex()
    return (0..<count).map { SimulatedNode(heap, $0, global: global) }
  }

  @Test(
    "Nodes that allocate and free each other's blocks: no overlap, exact counts, and all of it comes back",
    arguments: [(1, 2, 1 << 20), (2, 4, 8 << 20), (3, 7, 1 << 30), (4, 3, 600 << 10)])
  func interleaved(_ seed: Int, _ nodeCount: Int, _ regionByteCount: Int) throws {
    let region = try Region(regionByteCount, nodeCount: nodeCount)
    let heap = region.heap
    let nodes = nodes(nodeCount, heap)
    var random = Random(UInt64(seed))
    var blocks: [Block] = []
    var bytes = 0
    for step in 0..<40_000 {
      let node = nodes[random.below(nodeCount)]
      // Blocks pile up, then go, in waves.
      if random.below(100) < (step / 4000 % 2 == 0 ? 60 : 40) {
        let byteCount = random.blockByteCount(max: regionByteCount / 16)
        let alignment = random.below(8) == 0 ? 1 << random.below(13) : 16
        guard let pointer = try node.allocate(byteCount, alignment: alignment) else { continue }
        #expect(UInt(bitPattern: pointer) % UInt(max(16, alignment)) == 0)
        let block = Block(pointer: pointer, byteCount: try heap.usableByteCount(pointer), seed: random.next())
        #expect(block.byteCount >= byteCount)
        block.fill()
        bytes += block.byteCount
        blocks.append(block)
      } else if !blocks.isEmpty {
        let block = blocks.swapRemove(at: random.below(blocks.count))
        #expect(block.isIntact, "step \(step)")
        bytes -= block.byteCount
        try node.free(block.pointer)
      }
      if step % 2000 == 0 {
        _ = try heap.audit()
        let counters = heap.statistics()
        #expect(counters.bytesInUse == bytes && counters.blocksInUse == blocks.count)
        #expect(counters.bytesCached <= nodeCount * HeapCache.cachedByteCountMax)
      }
      if step % 5000 == 4999 { try node.drain() }
    }
    for block in blocks {
      #expect(block.isIntact)
      try nodes[random.below(nodeCount)].free(block.pointer)
    }
    // Freed is freed, although much of it is still in caches.
    #expect(heap.statistics().bytesInUse == 0 && heap.statistics().blocksInUse == 0)
    for node in nodes { try node.drain() }
    #expect(try heap.audit().isEmpty)
    #expect(heap.statistics().bytesCached == 0 && heap.statistics().pagesReserved == 0)
  }

  @Test("A second free fails at once, whichever of the two went to a cache, and on whichever node")
  func doubleFree() throws {
    let region = try Region(16 << 20, nodeCount: 2)
    let heap = region.heap
    let nodes = nodes(2, heap)
    typealias Free = (UnsafeMutableRawPointer) throws -> Void
    let ways: [(String, Free)] = [
      ("cache of 0", { try nodes[0].free($0) }), ("cache of 1", { try nodes[1].free($0) }),
      ("heap", { try heap.free($0) }),
    ]
    for byteCount in [16, 100, 4096, 9000, 100_000] {
      for (allocator, _) in [(0, 0), (1, 0)] {
        for (first, freeFirst) in ways {
          for (second, freeSecond) in ways {
            let block = try #require(try nodes[allocator].allocate(byteCount))
            let other = try #require(try nodes[allocator].allocate(byteCount))
            try freeFirst(block)
            let counters = heap.statistics()
            #expect(
              throws: HeapError.alreadyFree(address: UInt(bitPattern: block)),
              "\(byteCount): \(first), \(second)"
            ) { try freeSecond(block) }
            #expect(heap.statistics() == counters)
            try freeSecond(other)
          }
        }
      }
    }
    // The same with the cache drained in between: the slab may be gone, too.
    let block = try #require(try nodes[0].allocate(64))
    try nodes[0].free(block)
    for node in nodes { try node.drain() }
    #expect(throws: HeapError.alreadyFree(address: UInt(bitPattern: block))) { try nodes[1].free(block) }
    #expect(try heap.audit().isEmpty)
  }

  @Test("What is no block is refused by the cache as by the heap, and nothing changes")
  func misuse() throws {
    let region = try Region(16 << 20, nodeCount: 1)
    let node = nodes(1, region.heap)[0]
    let block = try #require(try node.allocate(64))
    let counters = region.heap.statistics()
    #expect(throws: HeapError.notABlock(address: UInt(bitPattern: block + 16))) { try node.free(block + 16) }
    #expect(throws: HeapError.foreign(address: UInt(bitPattern: region.base))) { try node.free(region.base) }
    // The block's neighbour is in the cache: never handed out.
    #expect(throws: HeapError.alreadyFree(address: UInt(bitPattern: block + 64))) {
      try node.free(block + 64)
    }
    #expect(throws: HeapError.invalidAlignment(3)) { try node.allocate(64, alignment: 3) }
    #expect(try node.allocate(-1) == nil)
    #expect(try node.allocate(.max) == nil)
    #expect(region.heap.statistics() == counters)
    try node.free(block)
  }

  @Test(
    "Two frees that raced into two caches are found when the blocks come back to the heap", arguments: [0, 1])
  func racingDoubleFree(_ firstBack: Int) throws {
    let region = try Region(16 << 20, nodeCount: 2)
    let nodes = nodes(2, region.heap)
    let block = try #require(try nodes[0].allocate(64))
    // The first slot of a new slab; its state is a byte of the page before, and says "in use".
    let state = block - 4096 + 256
    try #require(state.load(as: UInt8.self) == 0xFF)
    try nodes[0].free(block)
    // Node 1 frees it at the same time, not having seen that node 0 did.
    state.storeBytes(of: 0xFF, as: UInt8.self)
    try nodes[1].free(block)
    #expect(throws: HeapError.self) {
      try nodes[firstBack].drain()
      try nodes[1 - firstBack].drain()
    }
  }

  @Test("Blocks of two nodes lie on different pages as long as there are pages")
  func affinity() throws {
    let region = try Region(64 << 20, nodeCount: 2)
    let nodes = nodes(2, region.heap)
    for byteCount in [16, 48, 64, 200, 1024, 3000] {
      var pages: [Set<UInt>] = [[], []]
      for index in 0..<3000 {
        let pointer = UInt(bitPattern: try nodes[index % 2].allocate(byteCount))
        try #require(pointer != 0)
        pages[index % 2].formUnion([pointer >> 12, (pointer + UInt(byteCount) - 1) >> 12])
      }
      #expect(pages[0].isDisjoint(with: pages[1]), "blocks of \(byteCount) bytes")
    }
  }

  @Test("A slab that a node has left serves the others before new pages do")
  func leftSlabs() throws {
    let region = try Region(64 << 20, nodeCount: 2)
    let nodes = nodes(2, region.heap)
    let staying = try #require(try nodes[0].allocate(64))
    try nodes[0].drain()
    let reserved = region.heap.statistics().pagesReserved
    for _ in 0..<900 { #expect(try nodes[1].allocate(64) != nil) }
    #expect(region.heap.statistics().pagesReserved == reserved)
    try nodes[0].free(staying)
  }

  @Test("Most calls of a node need no global lock, and a block just freed is handed out next")
  func globalCalls() throws {
    let region = try Region(256 << 20, nodeCount: 2)
    let node = nodes(2, region.heap)[1]
    var random = Random(5)
    var blocks: [UnsafeMutableRawPointer] = []
    let operations = 50_000
    for _ in 0..<operations {
      if random.below(2) == 0 || blocks.isEmpty {
        blocks.append(try #require(try node.allocate(1 + random.below(512))))
      } else {
        try node.free(blocks.swapRemove(at: random.below(blocks.count)))
      }
    }
    #expect(node.globalCalls * 20 < operations, "\(node.globalCalls) of \(operations)")
    let block = try #require(try node.allocate(640))
    let before = node.globalCalls
    try node.free(block)
    #expect(try node.allocate(640) == block)
    #expect(node.globalCalls == before)
  }

  @Test("A full heap gives nil to every node, a node's own cache included in what can be had")
  func exhaustion() throws {
    let region = try Region(2 << 20, nodeCount: 2)
    let heap = region.heap
    let nodes = nodes(2, heap)
    for byteCount in [64, 2048, 30_000] {
      var blocks: [UnsafeMutableRawPointer] = []
      var isFull = [false, false]
      while !isFull[0] || !isFull[1] {
        for node in 0..<2 {
          if let block = try nodes[node].allocate(byteCount) {
            blocks.append(block)
          } else {
            isFull[node] = true
          }
        }
      }
      #expect(Set(blocks).count == blocks.count)
      _ = try heap.audit()
      for (index, block) in blocks.enumerated() { try nodes[index / 3 % 2].free(block) }
      #expect(heap.statistics().blocksInUse == 0)
      try nodes[1].drain()
      // Node 0's cache holds blocks of that size; a block of nearly everything needs those pages.
      let large = heap.geometry.pageCount * 4096
      #expect(try nodes[1].allocate(large) == nil)
      let whole = try #require(try nodes[0].allocate(large))
      try nodes[0].free(whole)
      #expect(try heap.audit().isEmpty)
    }
    #expect(nodes[0].freedByteCount > 0)
  }

  @Test("Threads of two nodes at once, blocks crossing over: no overlap, nothing lost")
  func threads() throws {
    let region = try Region(64 << 20, nodeCount: 2)
    let heap = region.heap
    let nodes = nodes(2, heap)
    // Blocks on their way to another thread, which checks and frees them: under a lock, hence ordered.
    let exchange = Exchange()
    onThreads(4) { thread in
      var random = Random(UInt64(thread))
      let node = nodes[thread % 2]
      do {
        for _ in 0..<20_000 {
          let byteCount = random.blockByteCount(max: 1 << 16)
          guard let pointer = try node.allocate(byteCount) else { continue }
          let block = Block(
            pointer: pointer, byteCount: try heap.usableByteCount(pointer), seed: random.next())
          block.fill()
          if let other = exchange.swap(block, at: random.below(64)) {
            if !other.isIntact { exchange.note("a block changed") }
            try node.free(other.pointer)
          }
        }
      } catch { exchange.note("\(error)") }
    }
    #expect(exchange.trouble == nil)
    for block in exchange.blocks { try nodes[0].free(block.pointer) }
    for node in nodes { try node.drain() }
    #expect(try heap.audit().isEmpty)
  }

  /// Places for blocks, shared by threads.
  final class Exchange: @unchecked Sendable {
    private let mutex = Mutex()
    private var places = [Block?](repeating: nil, count: 64)
    private(set) var trouble: String?

    var blocks: [Block] { places.compactMap { $0 } }

    func swap(_ block: Block, at place: Int) -> Block? {
      mutex.locked {
        let before = places[place]
        places[place] = block
        return before
      }
    }

    func note(_ text: String) { mutex.locked { trouble = trouble ?? text } }
  }
}

extension Array {
  /// Takes the element out, the last one filling its place.
  mutating func swapRemove(at index: Int) -> Element {
    swapAt(index, count - 1)
    return removeLast()
  }
}
