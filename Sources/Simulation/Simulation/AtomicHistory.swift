/// What the atomics on one variable did, and whether that is a sequence: each sees what the one before left,
/// and one that began after another had ended comes after it.
struct AtomicHistory {
  struct Event {
    /// The value found and the value left; equal where nothing was changed.
    let old: UInt64
    let new: UInt64
    let began: Int
    let ended: Int
  }

  private(set) var events: [Event] = []

  mutating func add(_ event: Event) { events.append(event) }

  /// Follows the values from `initial` on, every one of which occurs once. Returns the last; a sentence where
  /// there is no such sequence. Forgets the events.
  mutating func settle(from initial: UInt64) -> (value: UInt64, complaint: String?) {
    defer { events = [] }
    var order: [UInt64: Int] = [initial: 0]
    var value = initial
    let changes = Dictionary(grouping: events.filter { $0.old != $0.new }, by: \.old)
    for position in 1...(events.count + 1) {
      guard let next = changes[value] else { break }
      guard next.count == 1 else { return (value, "Two atomics found the same value \(value).") }
      value = next[0].new
      order[value] = position
    }
    if order.count - 1 != changes.count {
      return (value, "An atomic found a value that none had left, after \(value).")
    }
    var ranks: [(event: Event, rank: Int)] = []
    for event in events {
      guard let rank = order[event.new] else {
        return (value, "An atomic found \(event.old), which was never there.")
      }
      ranks.append((event, rank))
    }
    for a in ranks {
      for b in ranks where a.event.ended < b.event.began && a.rank > b.rank {
        return (value, "An atomic found \(b.event.old), though a newer value had been seen before it began.")
      }
    }
    return (value, nil)
  }
}
