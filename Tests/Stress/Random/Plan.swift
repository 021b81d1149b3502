import Merino

/// A random data-race-free program: all nodes derive the same from the seed. Phases lie between barriers; in
/// each every byte has at most one writer, and what a worker may read is what nobody writes.
struct Plan: Sendable {
  let seed: UInt64
  let nodeCount: Int
  let threadCount: Int
  let segments: [SegmentPlan]
  let phases: [PhasePlan]
  let records: [RecordPlan]
  let counters: [CounterPlan]
  let mailboxes: [MailboxPlan]

  var workerCount: Int { nodeCount * threadCount }

  init(seed: UInt64, nodeCount: Int, threadCount: Int?) {
    var dice = Dice(Hash.mix(seed, 1))
    self.seed = seed
    self.nodeCount = nodeCount
    self.threadCount = threadCount ?? 1 + dice.below(3)
    let workers = nodeCount * self.threadCount
    let phaseCount = 3 + dice.below(4)
    phases = (0..<phaseCount).map { PhasePlan($0, workers: workers, last: $0 == phaseCount - 1, &dice) }
    var segments = [SegmentPlan(0, lifetime: 0..<phaseCount, nodeCount: nodeCount, &dice)]
    for index in 1..<1 + dice.below(3) {
      let first = dice.below(phaseCount)
      let end = first + 1 + dice.below(phaseCount - first)
      segments.append(SegmentPlan(index, lifetime: first..<end, nodeCount: nodeCount, &dice))
    }
    var free = FreeWords(segments[0].byteCount / 8)
    records = (0..<1 + dice.below(6)).map { RecordPlan($0, &free, &dice) }
    counters = (0..<1 + dice.below(3)).map { CounterPlan($0, word: free.take(&dice), isWide: dice.oneIn(2)) }
    mailboxes = (0..<dice.below(4)).map { MailboxPlan($0, words: (0..<3).map { _ in free.take(&dice) }) }
    for word in free.taken { segments[0].reserved[word] = true }
    self.segments = segments
  }
}

/// A segment, and the phases in which it exists.
struct SegmentPlan: Sendable {
  let index: Int
  let lifetime: Range<Int>
  let byteCount: Int
  let unitByteCount: Int
  let placement: Placement
  /// Words that the owned bytes leave out, in segment 0: those of records, counters and mailboxes.
  var reserved: [Bool]

  init(_ index: Int, lifetime: Range<Int>, nodeCount: Int, _ dice: inout Dice) {
    self.index = index
    self.lifetime = lifetime
    unitByteCount = dice.oneIn(3) ? 4096 << (1 + dice.below(dice.oneIn(4) ? 9 : 4)) : 4096
    byteCount = 4096 * (1 + dice.below(dice.oneIn(5) ? 40 : 8))
    reserved = Array(repeating: false, count: byteCount / 8)
    placement = dice.pick([.firstTouch, .firstTouch, .blocked, .cyclic, .node(dice.below(nodeCount))])
  }

  static let pieceCount = 4
  func piece(_ index: Int) -> Range<Int> {
    let words = byteCount / 8
    return words * index / Self.pieceCount * 8..<words * (index + 1) / Self.pieceCount * 8
  }
}

/// Words of segment 0 that nothing uses yet. Taken near each other or anywhere, so that they share pages with
/// each other and with the owned bytes.
struct FreeWords {
  let count: Int
  private(set) var taken: Set<Int> = []
  private var last = 0
  init(_ count: Int) { self.count = count }

  mutating func take(_ dice: inout Dice) -> Int {
    var word = dice.oneIn(2) ? (last + 1) % count : dice.below(count)
    while taken.contains(word) { word = (word + 1) % count }
    taken.insert(word)
    last = word
    return word
  }
}

/// Words that are updated together under a lock: a count, and words that are functions of it.
struct RecordPlan: Sendable {
  let index: Int
  let words: [Int]
  let isReadWrite: Bool

  init(_ index: Int, _ free: inout FreeWords, _ dice: inout Dice) {
    self.index = index
    words = (0..<2 + dice.below(10)).map { _ in free.take(&dice) }
    isReadWrite = dice.oneIn(4)
  }
}

/// A word that only atomics change.
struct CounterPlan: Sendable {
  let index: Int
  let word: Int
  let isWide: Bool
  init(_ index: Int, word: Int, isWide: Bool) {
    self.index = index
    self.word = word
    self.isWide = isWide
  }
}

/// Three words under a lock that pass blocks of the heap from node to node.
struct MailboxPlan: Sendable {
  let index: Int
  let words: [Int]
  init(_ index: Int, words: [Int]) {
    self.index = index
    self.words = words
  }
}
