import Glibc
import Heap
import Testing

/// Prints nanoseconds per operation; the bounds are far above what a release build needs, and only
/// catch an operation whose cost grows with the heap.
@Suite("Heap: speed", .serialized)
struct HeapSpeedTests {
  #if DEBUG
    static let operationCount = 100_000
    static let boundNanoseconds = 50_000.0
  #else
    static let operationCount = 1_000_000
    static let boundNanoseconds = 3_000.0
  #endif

  static func now() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) * 1e9 + Double(now.tv_nsec)
  }

  /// Allocates and frees at random, `live` blocks at a time in the mean.
  func churn(
    _ name: String, live: Int, sizes: (inout Random) -> Int,
    allocate: (Int) throws -> UnsafeMutableRawPointer?, free: (UnsafeMutableRawPointer) throws -> Void
  ) throws {
    var random = Random(9)
    let requests = (0..<Self.operationCount).map { _ in (sizes(&random), random.below(live)) }
    var blocks = [UnsafeMutableRawPointer?](repeating: nil, count: live)
    var failures = 0
    let start = Self.now()
    for (byteCount, place) in requests {
      if let block = blocks[place] {
        try free(block)
        blocks[place] = nil
      } else {
        blocks[place] = try allocate(byteCount)
        if blocks[place] == nil { failures += 1 }
      }
    }
    let each = (Self.now() - start) / Double(Self.operationCount)
    for block in blocks { if let block { try free(block) } }
    print("heap, ns per operation: \(name), \(live) live: \(Int(each))")
    #expect(failures == 0)
    #expect(each < Self.boundNanoseconds)
  }

  @Test("A million operations on the heap itself, small, mixed and large", arguments: [100, 10_000])
  func direct(_ live: Int) throws {
    let region = try Region(64 << 30)
    let heap = region.heap
    func run(_ name: String, _ sizes: (inout Random) -> Int) throws {
      try churn(
        name, live: live, sizes: sizes, allocate: { try heap.allocate($0) }, free: { try heap.free($0) })
    }
    try run("small") { 1 + $0.below(1024) }
    try run("mixed") { $0.blockByteCount(max: 1 << 21) }
    try run("large") { 40_000 + $0.below(1 << 21) }
    #expect(try heap.audit().isEmpty)
  }

  @Test("A million operations through a node's cache, and malloc beside it", arguments: [100, 10_000])
  func cached(_ live: Int) throws {
    let region = try Region(64 << 30, nodeCount: 2)
    let node = SimulatedNode(region.heap, 1, global: Mutex())
    func run(_ name: String, _ sizes: (inout Random) -> Int) throws {
      try churn(
        "cached \(name)", live: live, sizes: sizes, allocate: { try node.allocate($0) },
        free: { try node.free($0) })
    }
    try run("small") { 1 + $0.below(1024) }
    try run("mixed") { $0.blockByteCount(max: 1 << 21) }
    try churn(
      "malloc small", live: live, sizes: { 1 + $0.below(1024) }, allocate: { malloc($0) },
      free: { Glibc.free($0) })
    try node.drain()
    #expect(try region.heap.audit().isEmpty)
  }
}
