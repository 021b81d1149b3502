/// The only source of chance in these programs: every node derives the same from a seed.
enum Hash {
  /// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
  static func mix(_ a: UInt64) -> UInt64 {
    var x = a &+ 0x9E37_79B9_7F4A_7C15
    x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
    x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
    return x ^ (x >> 31)
  }
  static func mix(_ a: UInt64, _ b: Int) -> UInt64 { mix(a ^ mix(UInt64(truncatingIfNeeded: b))) }
  static func mix(_ a: UInt64, _ b: Int, _ c: Int) -> UInt64 { mix(mix(a, b), c) }
  static func mix(_ a: UInt64, _ b: Int, _ c: Int, _ d: Int) -> UInt64 { mix(mix(a, b, c), d) }
}

/// A sequence of numbers from a seed.
struct Dice: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = Hash.mix(seed) }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Hash.mix(state)
  }
  mutating func below(_ n: Int) -> Int { Int(next() % UInt64(n)) }
  mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
  /// True once in `n` times.
  mutating func oneIn(_ n: Int) -> Bool { below(n) == 0 }
}
