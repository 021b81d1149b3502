import Glibc
import Merino

/// A thread of the random program.
struct Worker {
  enum Step {
    case piece(segment: Int, piece: Int)
    case update(Int)
    case check(record: Int)
    case add(Int)
    case mail(Int)
    case prefetch(segment: Int)
    case pin(segment: Int, piece: Int)
    case barrier
    case fence
  }

  let shared: RandomNode
  let thread: Int
  let index: Int
  var dice: Dice
  var phase = 0
  /// Rounds done of each piece in this phase: segment * pieces + piece.
  var roundsDone: [Int] = []
  var pins: [UnsafeRawBufferPointer] = []

  var plan: Plan { shared.plan }
  var cluster: Cluster { shared.cluster }

  init(_ shared: RandomNode, thread: Int) {
    self.shared = shared
    self.thread = thread
    index = shared.cluster.node * shared.plan.threadCount + thread
    dice = Dice(Hash.mix(shared.plan.seed, 8, index))
  }

  mutating func run(_ phase: PhasePlan) {
    self.phase = phase.index
    roundsDone = Array(repeating: 0, count: plan.segments.count * SegmentPlan.pieceCount)
    checkQuietWords()
    for step in steps(phase) { perform(step) }
    for pin in pins {
      must("unpin") { () throws(MerinoError) in try cluster.unpin(pin) }
    }
    pins = []
  }

  private mutating func steps(_ phase: PhasePlan) -> [Step] {
    var steps: [Step] = []
    for segment in plan.segments where segment.lifetime.contains(phase.index) {
      for piece in 0..<SegmentPlan.pieceCount {
        let rounds = plan.rounds(phase: phase.index, segment: segment.index, piece: piece)
        for _ in 0..<rounds { steps.append(.piece(segment: segment.index, piece: piece)) }
        if dice.oneIn(12) { steps.append(.pin(segment: segment.index, piece: piece)) }
      }
      if dice.oneIn(4) { steps.append(.prefetch(segment: segment.index)) }
    }
    for record in plan.records {
      let count = plan.updates(phase: phase.index, worker: index, record: record.index)
      for _ in 0..<count { steps.append(.update(record.index)) }
      if dice.oneIn(2) { steps.append(.check(record: record.index)) }
    }
    for counter in plan.counters {
      let count = plan.additions(phase: phase.index, worker: index, counter: counter.index)
      for _ in 0..<count { steps.append(.add(counter.index)) }
    }
    for box in plan.mailboxes.indices where phase.updateLimit > 1 {
      for _ in 0..<dice.below(4) { steps.append(.mail(box)) }
    }
    if dice.oneIn(4) { steps.append(.fence) }
    if thread == 0 { for _ in 0..<phase.extraBarriers { steps.append(.barrier) } }
    steps.shuffle(using: &dice)
    return steps
  }

  private mutating func perform(_ step: Step) {
    switch step {
    case .piece(let segment, let piece): goOver(segment, piece)
    case .update(let record): update(plan.records[record])
    case .check(let record): check(plan.records[record])
    case .add(let counter): add(plan.counters[counter])
    case .mail(let box): mail(plan.mailboxes[box])
    case .prefetch(let segment): prefetch(segment)
    case .pin(let segment, let piece): pin(segment, piece)
    case .barrier: shared.barrier()
    case .fence:
      must("fence") { () throws(MerinoError) in
        if dice.oneIn(2) { try cluster.releaseFence() } else { try cluster.acquireFence() }
      }
    }
  }

  /// One of the addresses at which this node sees the segment.
  mutating func view(_ segment: Int) -> UnsafeMutableRawPointer { dice.pick(shared.views[segment]) }

  private mutating func prefetch(_ segment: Int) {
    let range = plan.segments[segment].piece(dice.below(SegmentPlan.pieceCount))
    let view = UnsafeRawBufferPointer(start: view(segment) + range.lowerBound, count: range.count)
    must("prefetch") { () throws(MerinoError) in try cluster.prefetch(view) }
  }

  /// Until the end of the phase, while everybody goes on writing what is theirs.
  private mutating func pin(_ segment: Int, _ piece: Int) {
    let range = plan.segments[segment].piece(piece)
    let view = UnsafeRawBufferPointer(start: view(segment) + range.lowerBound, count: range.count)
    if range.isEmpty { return }
    must("pin") { () throws(MerinoError) in try cluster.pin(view, writable: dice.oneIn(2)) }
    pins.append(view)
  }

  /// Ends the process, having said all that helps to find out why.
  func fail(
    _ what: String, segment: Int, at address: UnsafeRawPointer, expected: String, found: String
  ) -> Never {
    let offset =
      (shared.readableViews[segment].map { address - UnsafeRawPointer($0) }).filter { $0 >= 0 }.min() ?? -1
    Failure.report(
      """
      \(what): seed \(plan.seed) node \(cluster.node) thread \(thread) worker \(index) phase \(phase) \
      (\(plan.phases[phase].ownership)) segment \(segment) (\(plan.segments[segment].placement), units of \
      \(plan.segments[segment].unitByteCount)) offset \(offset) address \(address): expected \(expected), \
      found \(found); \(cluster.describePage(at: address)); replay: \(shared.replay)
      """)
  }
}
