/// Numbers from a seed (SplitMix64): the same on every machine and in every build.
struct FuzzRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }

  /// One of `0 ..< count`.
  mutating func below(_ count: Int) -> Int { Int(next() % UInt64(max(count, 1))) }
  /// So often of a hundred times.
  mutating func percent(_ share: Int) -> Bool { below(100) < share }
  mutating func one<T>(of all: [T]) -> T { all[below(all.count)] }
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }

  /// Numbers at which arithmetic ends.
  private static let edges: [UInt64] = [
    0, 1, 2, 23, 24, 127, 128, 255, 256, 0x3FFF, 0x4000, 0x4001, 0xFFFF, 0x10000, 0x10_0000, 0x100_0000,
    0x100_0001, 0x4000_0000, 0x4000_0001, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000,
    0x4000_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF,
  ]
  mutating func edge() -> UInt64 { one(of: Self.edges) }

  /// What becomes of bytes on a bad way: bits, lengths, the order, the end.
  mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0...below(3) { mutate(&bytes) }
    return bytes
  }

  private mutating func mutate(_ bytes: inout [UInt8]) {
    guard !bytes.isEmpty else { return bytes = self.bytes(below(64)) }
    let place = below(bytes.count)
    switch below(8) {
    case 0: bytes[place] ^= 1 << UInt8(below(8))
    case 1: bytes[place] = UInt8(truncatingIfNeeded: next())
    case 2: bytes.removeSubrange(place..<min(place + 1 + below(8), bytes.count))
    case 3: bytes.insert(contentsOf: self.bytes(1 + below(16)), at: place)
    case 4: bytes.removeLast(bytes.count - place)
    case 5: bytes += bytes[place...]
    default: overwrite(&bytes)
    }
  }

  /// A number in the places where numbers are: words from the beginning.
  private mutating func overwrite(_ bytes: inout [UInt8]) {
    let width = percent(50) ? 4 : 8
    let start = below(max(bytes.count / 4, 1)) * 4
    let value = edge()
    for index in 0..<width where start + index < bytes.count {
      bytes[start + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
  }
}
