/// What happens between two barriers.
struct PhasePlan: Sendable {
  /// Who writes which bytes.
  enum Ownership: Sendable {
    /// Nobody writes: everything is checked.
    case nobody
    /// By lot, each run of `grain` bytes; one in `spare` + 1 belongs to nobody.
    case scattered(grain: Int, spare: Int)
    /// A contiguous part to each worker.
    case blocked(rotation: Int)
    /// Everything to one worker.
    case single(Int)
    /// Pages in turn.
    case cyclic(rotation: Int)
  }

  let index: Int
  let ownership: Ownership
  /// Ends by a counting barrier of all workers, not by the barrier of all nodes.
  let endsCounting: Bool
  /// Barriers of all nodes in the middle of it, by each node's thread 0 while its other threads work.
  let extraBarriers: Int
  /// Updates of a record by a worker: below this.
  let updateLimit: Int

  init(_ index: Int, workers: Int, last: Bool, _ dice: inout Dice) {
    self.index = index
    let choice = last ? 0 : dice.below(10)
    switch choice {
    case 0: ownership = .nobody
    case 1...5:
      ownership = .scattered(grain: dice.pick([1, 1, 2, 8, 8, 64, 512, 4096]), spare: dice.below(2))
    case 6, 7: ownership = .blocked(rotation: dice.below(workers))
    case 8: ownership = .single(dice.below(workers))
    default: ownership = .cyclic(rotation: dice.below(workers))
    }
    endsCounting = dice.oneIn(4)
    extraBarriers = dice.oneIn(3) ? 1 + dice.below(2) : 0
    updateLimit = last ? 1 : dice.pick([1, 3, 3, 8])
  }
}

extension Plan {
  /// Runs of bytes of `range` with one owner, ascending: (run, worker or -1). Reserved words are the
  /// caller's to leave out.
  func forEachRun(
    phase: Int, segment: Int, in range: Range<Int>, _ body: (Range<Int>, Int) -> Void
  ) {
    let workers = workerCount
    let bytes = segments[segment].byteCount
    switch phases[phase].ownership {
    case .nobody: body(range, -1)
    case .single(let worker): body(range, worker)
    case .scattered(let grain, let spare):
      let key = Hash.mix(seed, 2, phase, segment)
      eachGrain(grain, range) { run in
        let lot = Int(Hash.mix(key, run.lowerBound / grain) % UInt64(workers + spare * (1 + workers / 3)))
        body(run, lot < workers ? lot : -1)
      }
    case .blocked(let rotation):
      let part = max(8, (bytes / workers + 7) & ~7)
      eachGrain(part, range) { run in body(run, (run.lowerBound / part + rotation) % workers) }
    case .cyclic(let rotation):
      eachGrain(4096, range) { run in body(run, (run.lowerBound / 4096 + rotation) % workers) }
    }
  }

  private func eachGrain(_ grain: Int, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min((start / grain + 1) * grain, range.upperBound)
      body(start..<end)
      start = end
    }
  }

  /// How often a piece is written in a phase; what is in it afterwards is the last round's.
  func rounds(phase: Int, segment: Int, piece: Int) -> Int {
    1 + Int(Hash.mix(Hash.mix(seed, 3, phase), segment, piece) % 3)
  }

  /// What the bytes of a round are functions of.
  func key(phase: Int, segment: Int, round: Int) -> UInt64 {
    Hash.mix(Hash.mix(seed, 4, phase), segment, round)
  }

  /// The byte at `offset` after the round of `key`.
  static func byte(_ key: UInt64, _ offset: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: Hash.mix(key, offset >> 3) >> UInt64((offset & 7) * 8))
  }

  func updates(phase: Int, worker: Int, record: Int) -> Int {
    Int(Hash.mix(Hash.mix(seed, 5, phase), worker, record) % UInt64(phases[phase].updateLimit))
  }

  func additions(phase: Int, worker: Int, counter: Int) -> Int {
    phases[phase].updateLimit == 1 ? 0 : Int(Hash.mix(Hash.mix(seed, 6, phase), worker, counter) % 3)
  }

  func totalUpdates(phase: Int, record: Int) -> Int {
    (0..<workerCount).reduce(0) { $0 + updates(phase: phase, worker: $1, record: record) }
  }

  func totalAdditions(phase: Int, counter: Int) -> Int {
    (0..<workerCount).reduce(0) { $0 + additions(phase: phase, worker: $1, counter: counter) }
  }
}
