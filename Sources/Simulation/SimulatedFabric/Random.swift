/// xoshiro256**, seeded by splitmix64: the only source of chance in a simulation, passed along explicitly,
/// so that a seed names one history.
public struct Random: BitwiseCopyable, Sendable {
  private var a: UInt64
  private var b: UInt64
  private var c: UInt64
  private var d: UInt64

  /// Equal seeds give equal sequences on every machine.
  public init(seed: UInt64) {
    var state = seed
    func splitmix() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    a = splitmix()
    b = splitmix()
    c = splitmix()
    d = splitmix()
  }

  /// 64 fresh bits.
  public mutating func next() -> UInt64 {
    let result = Self.rotate(b &* 5, 7) &* 9
    let shifted = b << 17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = Self.rotate(d, 45)
    return result
  }

  /// `0 ..< bound`; `bound` is at least 1. The bias of the multiplication is below 2^-32.
  public mutating func below(_ bound: Int) -> Int {
    Int(truncatingIfNeeded: (next() >> 32 &* UInt64(truncatingIfNeeded: bound)) >> 32)
  }

  /// One of `range`, which is not empty.
  public mutating func within(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + below(range.upperBound - range.lowerBound + 1)
  }

  /// True `times` times in `outOf`.
  public mutating func chance(_ times: Int, in outOf: Int) -> Bool { below(outOf) < times }

  /// One of `choices`, which is not empty.
  public mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }

  /// A generator of its own, for a part whose choices must not depend on when it runs.
  public mutating func fork() -> Random { Random(seed: next()) }

  private static func rotate(_ x: UInt64, _ k: UInt64) -> UInt64 { x << k | x >> (64 - k) }
}
