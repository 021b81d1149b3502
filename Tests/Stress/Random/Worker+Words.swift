import Merino

// Words that are shared within a phase: under locks, by atomics.
extension Worker {
  private func word(_ view: UnsafeMutableRawPointer, _ index: Int) -> UnsafeMutablePointer<UInt64> {
    // Reserved by the plan for this use, aligned, in the view.
    (view + index * 8).assumingMemoryBound(to: UInt64.self)
  }

  private func content(_ record: RecordPlan, _ place: Int, count: UInt64) -> UInt64 {
    count == 0 ? 0 : Hash.mix(Hash.mix(plan.seed, 9, record.index, place), Int(count))
  }

  /// Whoever reads the record under its lock finds it whole.
  private func verify(_ record: RecordPlan, _ view: UnsafeMutableRawPointer) -> UInt64 {
    let count = word(view, record.words[0]).pointee
    let low = UInt64(shared.recordCounts[record.index])
    let high = low + UInt64(plan.totalUpdates(phase: phase, record: record.index))
    if !(low...high).contains(count) {
      fail(
        "wrong count of record \(record.index)", segment: 0, at: word(view, record.words[0]),
        expected: "\(low)...\(high)", found: "\(count)")
    }
    for place in 1..<record.words.count {
      let found = word(view, record.words[place]).pointee
      let expected = content(record, place, count: count)
      if found != expected {
        let older = (0...high).first { content(record, place, count: $0) == found }
        fail(
          "wrong word \(place) of record \(record.index)", segment: 0, at: word(view, record.words[place]),
          expected: "that of count \(count)", found: older.map { "that of count \($0)" } ?? "neither")
      }
    }
    return count
  }

  mutating func update(_ record: RecordPlan) {
    let view = view(0)
    locked(record, forWriting: true) { worker in
      let count = worker.verify(record, view) + 1
      worker.word(view, record.words[0]).pointee = count
      for place in 1..<record.words.count {
        worker.word(view, record.words[place]).pointee = worker.content(record, place, count: count)
      }
    }
  }

  mutating func check(_ record: RecordPlan) {
    let view = view(0)
    locked(record, forWriting: false) { worker in _ = worker.verify(record, view) }
  }

  private mutating func locked(_ record: RecordPlan, forWriting: Bool, _ body: (Worker) -> Void) {
    let handle = shared.recordLocks[record.index]
    if record.isReadWrite {
      let lock = ReadWriteLock(handle: handle)
      must("take a reader-writer lock") { () throws(MerinoError) in
        if forWriting { try lock.acquireForWriting() } else { try lock.acquireForReading() }
      }
      body(self)
      must("release a reader-writer lock") { () throws(MerinoError) in try lock.release() }
      return
    }
    let lock = Lock(handle: handle)
    let way = dice.below(8)
    must("take a lock") { () throws(MerinoError) in
      switch way {
      case 0:
        for _ in 0..<3 where try lock.tryAcquire() { return }
        try lock.acquire()
      case 1: if !(try lock.acquire(withinNanoseconds: 200_000)) { try lock.acquire() }
      default: try lock.acquire()
      }
    }
    body(self)
    must("release a lock") { () throws(MerinoError) in try lock.release() }
  }

  mutating func add(_ counter: CounterPlan) {
    let view = view(0)
    let ordering = dice.pick([AtomicOrdering.relaxed, .relaxed, .acquireRelease])
    let before = must("add to a counter") { () throws(MerinoError) -> Int in
      if counter.isWide { return Int(try cluster.atomicFetchAdd(word(view, counter.word), 1, ordering)) }
      let half = UnsafeMutableRawPointer(word(view, counter.word)).assumingMemoryBound(to: UInt32.self)
      return Int(try cluster.atomicFetchAdd(half, 1, ordering))
    }
    let low = shared.counterValues[counter.index]
    let high = low + plan.totalAdditions(phase: phase, counter: counter.index)
    if !(low..<high).contains(before) {
      fail(
        "wrong value of counter \(counter.index)", segment: 0, at: word(view, counter.word),
        expected: "\(low)..<\(high)", found: "\(before)")
    }
  }

  /// Words that nobody changes in this phase need neither lock nor atomic.
  mutating func checkQuietWords() {
    let view = view(0)
    for record in plan.records where plan.totalUpdates(phase: phase, record: record.index) == 0 {
      _ = verify(record, view)
    }
    for counter in plan.counters where plan.totalAdditions(phase: phase, counter: counter.index) == 0 {
      let expected = UInt64(shared.counterValues[counter.index])
      let found = word(view, counter.word).pointee
      if found != expected {
        fail(
          "wrong value of counter \(counter.index)", segment: 0, at: word(view, counter.word),
          expected: "\(expected)", found: "\(found)")
      }
    }
  }
}
