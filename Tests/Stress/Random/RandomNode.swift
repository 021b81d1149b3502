import Glibc
import Merino

/// One node's part of one random program: its views and handles, and what every byte must be.
///
/// Changed by thread 0 while the others wait at `inside`, whose pthread barrier orders it before their reads;
/// that is what makes the unchecked Sendable safe.
final class RandomNode: @unchecked Sendable {
  let cluster: Cluster
  let plan: Plan
  let inside: ThreadBarrier
  let replay: String
  /// For each segment the addresses at which it is attached here; none outside its lifetime.
  private(set) var views: [[UnsafeMutableRawPointer]]
  /// Of these, with a read-only view where there is one.
  private(set) var readableViews: [[UnsafeMutableRawPointer]]
  /// What is in each segment at the beginning of the phase.
  private(set) var expected: [[UInt8]]
  private(set) var recordCounts: [Int]
  private(set) var counterValues: [Int]
  private var segments: [Segment?]
  let recordLocks: [UInt64]
  let mailboxLocks: [Lock]
  let phaseBarrier: Barrier

  init(_ cluster: Cluster, _ plan: Plan, replay: String) {
    self.cluster = cluster
    self.plan = plan
    self.replay = replay
    inside = ThreadBarrier(plan.threadCount)
    views = Array(repeating: [], count: plan.segments.count)
    readableViews = views
    expected = plan.segments.map { Array(repeating: 0, count: $0.byteCount) }
    recordCounts = Array(repeating: 0, count: plan.records.count)
    counterValues = Array(repeating: 0, count: plan.counters.count)
    segments = Array(repeating: nil, count: plan.segments.count)
    // Each node makes the objects whose number falls to it, so that their records lie at all nodes.
    var handles: [UInt64] = []
    func mine() -> Bool { (handles.count + Int(plan.seed % 16)) % plan.nodeCount == cluster.node }
    for record in plan.records {
      let make = { () throws(MerinoError) -> UInt64 in
        record.isReadWrite ? try cluster.makeReadWriteLock().handle : try cluster.makeLock().handle
      }
      handles.append(mine() ? must("make a lock", make) : 0)
    }
    for _ in plan.mailboxes {
      handles.append(
        mine() ? must("make a lock") { () throws(MerinoError) in try cluster.makeLock().handle } : 0)
    }
    handles.append(
      mine()
        ? must("make a barrier") { () throws(MerinoError) in
          try cluster.makeBarrier(participants: plan.workerCount).handle
        } : 0)
    handles = must("share handles") { () throws(MerinoError) in try cluster.allReduce(handles, .sum) }
    recordLocks = Array(handles[..<plan.records.count])
    mailboxLocks = handles[plan.records.count..<handles.count - 1].map { Lock(handle: $0) }
    phaseBarrier = Barrier(handle: handles[handles.count - 1])
  }

  /// Runs the program; returns when this node has checked everything.
  func run() {
    onThreads(plan.threadCount) { thread in
      var worker = Worker(self, thread: thread)
      for phase in self.plan.phases {
        if thread == 0 { self.begin(phase.index) }
        self.inside.wait()
        worker.run(phase)
        if phase.endsCounting {
          must("wait in the counting barrier") { () throws(MerinoError) in try self.phaseBarrier.wait() }
        }
        self.inside.wait()
        if thread == 0 {
          if !phase.endsCounting { self.barrier() }
          self.end(phase.index)
        }
        self.inside.wait()
      }
      if thread == 0 { worker.drainMailboxes() }
    }
    close(before: plan.phases.count)
    barrier()
    destroyObjects()
  }

  func barrier() {
    must("pass the barrier") { () throws(MerinoError) in try cluster.barrier() }
  }

  // MARK: Segments

  private func name(_ segment: SegmentPlan) -> String { "random-\(plan.seed)-\(segment.index)" }

  private func begin(_ phase: Int) {
    close(before: phase)
    let new = plan.segments.filter { $0.lifetime.lowerBound == phase }
    if new.isEmpty { return }
    for segment in new where creator(segment) == cluster.node {
      segments[segment.index] = must("create a segment") { () throws(MerinoError) in
        try cluster.createSegment(
          named: name(segment), byteCount: segment.byteCount, unitByteCount: segment.unitByteCount,
          placement: segment.placement)
      }
    }
    barrier()
    for segment in new {
      let opened = must("open a segment") { () throws(MerinoError) in
        if let own = segments[segment.index] { return own }
        return try cluster.openSegment(named: name(segment))
      }
      segments[segment.index] = opened
      views[segment.index] = [attach(opened, at: nil)]
      if Hash.mix(plan.seed, 7, segment.index, cluster.node) % 3 == 0 {
        views[segment.index].append(attach(opened, at: freeAddress(segment.byteCount)))
      }
      readableViews[segment.index] = views[segment.index]
      if Hash.mix(plan.seed, 10, segment.index, cluster.node) % 4 == 0 {
        readableViews[segment.index].append(
          attach(opened, at: freeAddress(segment.byteCount), protection: .read))
      }
    }
  }

  private func creator(_ segment: SegmentPlan) -> Int {
    (Int(plan.seed % 64) + segment.index) % plan.nodeCount
  }

  private func attach(
    _ segment: Segment, at address: UnsafeMutableRawPointer?, protection: ViewProtectionLimit = .readWrite
  ) -> UnsafeMutableRawPointer {
    let view = must("attach a segment") { () throws(MerinoError) in
      try segment.attach(at: address, protection: protection)
    }
    guard let base = view.baseAddress else { Failure.report("a view without an address") }
    return base
  }

  /// Addresses that nothing uses, as far as one can know.
  private func freeAddress(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let length = (byteCount + 4095) & ~4095 + 64 << 20
    guard let at = mmap(nil, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      at != MAP_FAILED
    else { Failure.report("mmap found no addresses") }
    munmap(at, length)
    return at + 32 << 20
  }

  private func close(before phase: Int) {
    for segment in plan.segments where segment.lifetime.upperBound == phase {
      for view in readableViews[segment.index] {
        must("detach") { () throws(MerinoError) in try cluster.detach(view) }
      }
      views[segment.index] = []
      readableViews[segment.index] = []
      guard creator(segment) == cluster.node, let own = segments[segment.index] else { continue }
      must("destroy a segment") { () throws(MerinoError) in try own.destroy() }
    }
  }

  private func destroyObjects() {
    let node = cluster.node
    let all = recordLocks + mailboxLocks.map(\.handle) + [phaseBarrier.handle]
    for (index, handle) in all.enumerated() where (index + Int(plan.seed % 16)) % plan.nodeCount == node {
      must("destroy a synchronisation object") { () throws(MerinoError) in
        if index < recordLocks.count, plan.records[index].isReadWrite {
          try ReadWriteLock(handle: handle).destroy()
        } else if index == all.count - 1 {
          try phaseBarrier.destroy()
        } else {
          try Lock(handle: handle).destroy()
        }
      }
    }
  }

  // MARK: What must be

  /// What the phase has left behind, as the plan says.
  private func end(_ phase: Int) {
    for segment in plan.segments where segment.lifetime.contains(phase) {
      for piece in 0..<SegmentPlan.pieceCount {
        let last = plan.rounds(phase: phase, segment: segment.index, piece: piece) - 1
        let key = plan.key(phase: phase, segment: segment.index, round: last)
        plan.forEachRun(phase: phase, segment: segment.index, in: segment.piece(piece)) { run, owner in
          if owner < 0 { return }
          for offset in run where !segment.reserved[offset >> 3] {
            expected[segment.index][offset] = Plan.byte(key, offset)
          }
        }
      }
    }
    for index in recordCounts.indices {
      recordCounts[index] += plan.totalUpdates(phase: phase, record: index)
    }
    for index in counterValues.indices {
      counterValues[index] += plan.totalAdditions(phase: phase, counter: index)
    }
  }
}
