/// The order in which a benchmark visits pages.
public enum PageOrder {
  /// A permutation of `0 ..< count`, the same for the same seed on every machine (splitmix64, Fisher-Yates).
  public static func random(count: Int, seed: UInt64) -> [UInt32] {
    var order = sequential(count: count)
    var state = seed
    for index in stride(from: count - 1, to: 0, by: -1) {
      let other = Int(next(&state) % UInt64(index + 1))
      order.swapAt(index, other)
    }
    return order
  }

  /// `0 ..< count` in order.
  public static func sequential(count: Int) -> [UInt32] { (0..<count).map { UInt32($0) } }

  private static func next(_ state: inout UInt64) -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
