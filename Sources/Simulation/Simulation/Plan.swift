import Coherence
import Fabric
import Platform
import SimulatedFabric

/// Who may do what with a byte in a phase. Every discipline excludes races by construction.
enum Discipline {
  /// Nobody touches it: freed memory, or a word that atomics have for themselves.
  case nobody
  /// Whoever holds the lock reads and writes.
  case lock(Int)
  /// One thread reads and writes.
  case owner(Int)
  /// The first threads of the nodes have it in turn, from one barrier of theirs to the next; the number is
  /// who begins.
  case leaders(Int)
  /// Everybody reads.
  case readOnly
  /// Whoever has the token reads and writes.
  case token(Int)
}

/// A piece of the global address space with a life: from the beginning on, not in phases `death ..< rebirth`.
struct PlannedSegment {
  var shape: SegmentShape
  var death = Int.max
  /// The shape of its second life, from phase `death + 3` on.
  var second: SegmentShape
  /// By node: which of its threads detaches it in phase `death`, and uses it until then.
  var detachers: [Int] = []
  /// The thread that has every other page for itself until phase `death`, -1 for none: its node becomes the
  /// home, alone with the page until others look at it for the last time.
  var resident = -1
  /// The node whose thread may write in phase `death`, -1 for none.
  var lastWriter = -1

  var rebirth: Int { death == .max ? .max : death + 3 }
  func isLive(_ phase: Int) -> Bool { phase < death || phase >= rebirth }
  func shape(_ phase: Int) -> SegmentShape { phase < death ? shape : second }
}

/// An aligned word of 8 bytes that atomics have for themselves in some phases.
struct PlannedWord {
  let address: Int
  /// The masks of the variables in it: one of 64 bits or two of 32.
  let masks: [UInt64]
}

/// What a run's program works on: the bytes, and their disciplines in each phase.
struct Plan {
  struct Cell {
    let address: Int
    let segment: Int
    /// The word of `words` that it belongs to, -1 for none.
    let word: Int
  }

  private(set) var segments: [PlannedSegment] = []
  private(set) var cells: [Cell] = []
  private(set) var words: [PlannedWord] = []
  /// A byte of each page that nobody ever writes, -1 where there is none.
  private(set) var coldBytes: [Int] = []
  /// By phase, then by cell.
  private(set) var disciplines: [[Discipline]] = []
  /// By phase: the words that atomics have.
  private(set) var atomicWords: [[Int]] = []
  /// By phase: barriers of the first threads of the nodes alone, within it.
  private(set) var leaderBarriers: [Int] = []
  /// By phase: whether everybody rests after the barrier that ends it, while the invariants are checked.
  private(set) var isQuietAfter: [Bool] = []
  /// By phase: nobody stores, so that barriers have nothing to tell but what was freed, and wait for no
  /// commit lock.
  private(set) var isReadOnly: [Bool] = []

  init(_ run: RunShape, _ random: inout Random) {
    makeSegments(run, &random)
    makeCells(run, &random)
    let threadCount = run.threadsOfNode.reduce(0, +)
    for phase in 0..<run.phaseCount { makePhase(phase, run, threadCount, &random) }
  }

  private mutating func makeSegments(_ run: RunShape, _ random: inout Random) {
    let c = run.configuration
    var chunks = Array(0..<c.chunkCount)
    for _ in 0..<run.segmentCount where !chunks.isEmpty {
      let first = random.pick(chunks)
      var count = random.within(1...3)
      while !(first..<first + count).allSatisfy(chunks.contains) { count -= 1 }
      chunks.removeAll { (first..<first + count).contains($0) }
      func shape() -> SegmentShape {
        let unitShift = min(random.pick([0, 0, 0, 1, 2]), c.chunkShift)
        let placement = random.pick([
          SegmentShape.Placement.firstTouch, .firstTouch, .firstTouch, .blocked, .cyclic, .oneNode,
        ])
        if run.hasFreeing, random.chance(2, in: 3) {
          return SegmentShape(firstPage: Page(first << c.chunkShift), pageCount: count << c.chunkShift)
        }
        if run.hasBusyHome {
          return SegmentShape(
            firstPage: Page(first << c.chunkShift), pageCount: count << c.chunkShift, placement: .oneNode)
        }
        return SegmentShape(
          firstPage: Page(first << c.chunkShift), pageCount: count << c.chunkShift, unitShift: unitShift,
          placement: placement, placementNode: NodeID(random.below(c.nodeCount)))
      }
      var made = PlannedSegment(shape: shape(), second: shape())
      if run.features.contains(.frees), run.phaseCount > 1, run.hasFreeing || random.chance(1, in: 2) {
        made.death = random.within(1...run.phaseCount - 1)
        made.detachers = run.threadsOfNode.map { random.chance(1, in: 2) ? 0 : random.below($0) }
        made.lastWriter = random.below(c.nodeCount + 1) - 1
        if run.hasFreeing {
          made.resident = random.below(run.threadsOfNode.reduce(0, +))
          // Often other units than before.
          made.second.unitShift = random.within(0...min(2, c.chunkShift))
        }
      }
      segments.append(made)
    }
  }

  /// Bytes on few pages, often neighbours: false sharing is the point.
  private mutating func makeCells(_ run: RunShape, _ random: inout Random) {
    let c = run.configuration
    var taken = Set<Int>()
    let areNeighbours = random.chance(1, in: 2)
    let start = random.below(1 << 20)
    let hotPages = (0..<random.within(1...run.hotPageLimit)).map { index in
      let segment = areNeighbours ? 0 : random.below(segments.count)
      let shape = segments[segment].shape
      let offset = areNeighbours ? (start + index) % shape.pageCount : random.below(shape.pageCount)
      return (segment, shape.firstPage + offset)
    }
    if run.features.contains(.atomics) {
      for _ in 0..<random.within(1...2) {
        let (segment, page) = random.pick(hotPages)
        let address = c.byteOffset(of: page) + 8 * random.below(c.pageByteCount / 8)
        let bytes = (0..<8).map { address + $0 }
        guard taken.isDisjoint(with: bytes) else { continue }
        taken.formUnion(bytes)
        words.append(PlannedWord(address: address, masks: random.pick([[~0], [0xFFFF_FFFF, ~0 << 32]])))
        for byte in 0..<8 {
          cells.append(Cell(address: address + byte, segment: segment, word: words.count - 1))
        }
      }
    }
    while taken.count < run.cellCount {
      let (segment, page) = random.pick(hotPages)
      let start = random.below(c.pageByteCount)
      let length = random.pick([1, 1, 2, 3, 9, 33])
      for offset in start..<min(start + length, c.pageByteCount) {
        let address = c.byteOffset(of: page) + offset
        if taken.insert(address).inserted { cells.append(Cell(address: address, segment: segment, word: -1)) }
      }
      // The pages may have less room than the run wants cells.
      if random.chance(1, in: 20) { break }
    }
    coldBytes = (0..<c.pageCount).map { page in
      let bytes = page << c.pageShift..<(page + 1) << c.pageShift
      return bytes.first { !taken.contains($0) } ?? -1
    }
  }

  /// Whether the cell is on a page that its segment's resident has for itself.
  func isResidents(_ cell: Cell, _ run: RunShape) -> Bool {
    segments[cell.segment].resident >= 0 && cell.address >> run.configuration.pageShift % 2 == 1
  }

  private mutating func makePhase(_ phase: Int, _ run: RunShape, _ threadCount: Int, _ random: inout Random) {
    var kinds: [Discipline] = []
    if run.features.contains(.locks) { kinds += (0..<run.lockCount).map { .lock($0) } }
    if run.features.contains(.owned) { kinds += [.owner(0), .owner(0)] }
    if run.features.contains(.readOnly) { kinds += [.readOnly] }
    if run.features.contains(.tokens) { kinds += (0..<run.tokenCount).map { .token($0) } }
    if run.features.contains(.leaderBarriers) { kinds += [.leaders(0)] }
    // A phase often has few kinds, so that each has many bytes.
    while kinds.count > 1, random.chance(1, in: 2) { kinds.remove(at: random.below(kinds.count)) }
    func draw() -> Discipline {
      switch random.pick(kinds) {
      case .owner: .owner(random.below(threadCount))
      case .leaders: .leaders(random.below(run.configuration.nodeCount))
      case let kind: kind
      }
    }
    let atomic = words.indices.filter { _ in random.chance(2, in: 3) }
    atomicWords.append(
      atomic.filter { word in cells.contains { $0.word == word && segments[$0.segment].isLive(phase) } })
    var last = draw()
    disciplines.append(
      cells.map { cell in
        if random.chance(1, in: 2) { last = draw() }
        let segment = segments[cell.segment]
        if !segment.isLive(phase) || atomic.contains(cell.word) { return .nobody }
        return phase < segment.death && isResidents(cell, run) ? .owner(segment.resident) : last
      })
    if run.hasBusyHome { disciplines[phase] = cells.indices.map { .lock($0 % run.lockCount) } }
    leaderBarriers.append(run.features.contains(.leaderBarriers) ? random.pick([0, 1, 1, 2]) : 0)
    if run.hasFreeing, segments.contains(where: { $0.death == phase }) {
      leaderBarriers[phase] = random.within(1...3)
    }
    isQuietAfter.append(random.chance(1, in: 4))
    let hasDeath = run.hasFreeing && segments.contains { $0.death == phase }
    isReadOnly.append(hasDeath && random.chance(1, in: 2))
  }
}
