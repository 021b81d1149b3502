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

  /// As `random`, but no page is close behind one of the pages read shortly before: an order in which nobody
  /// sees a sequence to read ahead. For few pages there may be no such order; then it comes as close
  /// as it can.
  ///
  /// - Parameters:
  ///   - previous: what was read right before, in its order.
  ///   - distance: how many pages behind another count as close.
  ///   - memory: how many reads back they are looked for.
  public static func scattered(
    count: Int, seed: UInt64, after previous: [UInt32] = [], distance: Int = 6, memory: Int = 20
  ) -> [UInt32] {
    func follows(_ page: UInt32, _ earlier: UInt32) -> Bool {
      page > earlier && Int(page - earlier) <= distance
    }
    var waiting = random(count: count, seed: seed)
    var order = Array(previous.suffix(memory))
    let start = order.count
    while !waiting.isEmpty {
      let recent = order.suffix(memory)
      if let fits = waiting.firstIndex(where: { page in !recent.contains { follows(page, $0) } }) {
        order.append(waiting.remove(at: fits))
        continue
      }
      // What is left fits nowhere at the end: put it where it fits among those before.
      let page = waiting.removeLast()
      let place = order.indices.dropFirst(start).first { index in
        !order[max(0, index - memory)..<index].contains { follows(page, $0) }
          && !order[index..<min(order.count, index + memory)].contains { follows($0, page) }
      }
      order.insert(page, at: place ?? order.count)
    }
    return Array(order[start...])
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
