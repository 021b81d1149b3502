import Glibc
import Heap

/// A region of zeros, sparse, and the heap in it.
final class Region {
  let base: UnsafeMutableRawPointer
  let byteCount: Int
  let heap: SharedHeap

  init(_ byteCount: Int, nodeCount: Int = 1) throws {
    self.byteCount = byteCount
    base = try Region.map(byteCount)
    heap = try SharedHeap.format(base, byteCount: byteCount, nodeCount: nodeCount)
  }

  deinit { munmap(base, byteCount) }

  struct MapFailed: Error { let code: Int32 }

  static func map(_ byteCount: Int) throws -> UnsafeMutableRawPointer {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let at = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0), at != MAP_FAILED else {
      throw MapFailed(code: errno)
    }
    return at
  }

  /// Pages of the region that anybody has touched.
  var residentPageCount: Int {
    var residency = [UInt8](repeating: 0, count: byteCount >> 12)
    mincore(base, byteCount, &residency)
    return residency.count { $0 & 1 != 0 }
  }
}

/// SplitMix64: the same numbers from the same seed on every machine.
struct Random: RandomNumberGenerator {
  var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(truncatingIfNeeded: next() >> 1) % bound }

  /// As programs ask: mostly small, sometimes pages, seldom much.
  mutating func blockByteCount(max: Int) -> Int {
    let bits = [4, 6, 6, 8, 8, 10, 12, 14, 17, 21][below(10)]
    return min(below(1 << bits) + below(2), max)
  }
}

/// A block as the test knows it, filled with a pattern that nobody else writes.
struct Block {
  let pointer: UnsafeMutableRawPointer
  /// The usable size, a multiple of 16.
  let byteCount: Int
  let seed: UInt64

  /// Short blocks whole; of long ones the first and last 256 bytes and one word in each page, so that
  /// any overlap with another block shows.
  private func forEachWord(_ body: (Int, UInt64) -> Void) {
    let words = byteCount / 8
    var at = 0
    while at < words {
      body(at * 8, seed ^ UInt64(at) &* 0x9E37_79B9_7F4A_7C15)
      let isDense = words <= 64 || at < 32 || at >= words - 32
      at = isDense ? at + 1 : min(at + 512, words - 32)
    }
  }

  func fill() { forEachWord { pointer.storeBytes(of: $1, toByteOffset: $0, as: UInt64.self) } }

  var isIntact: Bool { isIntact(first: byteCount) }

  /// Whether its first bytes are as they were filled.
  func isIntact(first limit: Int) -> Bool {
    var intact = true
    forEachWord { offset, value in
      if offset < limit { intact = intact && pointer.load(fromByteOffset: offset, as: UInt64.self) == value }
    }
    return intact
  }
}
