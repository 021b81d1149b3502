import Coherence
import Fabric
import Platform
import SimulatedFabric

// Segments that die: who has them for itself, who uses them for the last time, and who gives them back.

extension Worker {
  /// Uses a segment that dies in this phase for the last time and detaches it. The last one to do so retires
  /// the pages. Other nodes may be in the middle of a barrier meanwhile, and so may this one.
  func leave(_ index: Int) throws(EngineError) {
    let segment = plan.segments[index]
    try useForTheLastTime(index)
    let pages = segment.shape.pages
    scheduler.note("detaching segment", index)
    scheduler.point()
    node.detach(pages)
    try engine.release()
    program.detached[index] += 1
    guard program.detached[index] == program.run.configuration.nodeCount else { return }
    // What the segment table's lock does.
    while program.isRetiring { try pause() }
    program.isRetiring = true
    scheduler.note("retiring segment", index)
    guard let position = try engine.retire(pages) else {
      scheduler.fail("There is no room to retire segment \(index).")
    }
    program.isRetiring = false
    program.forget(index)
    program.retired[index] = position
  }

  /// Lives in a segment again as soon as some node finds that its addresses may be used: what a thread does
  /// that opens a segment which another node has made of them. The first thread of this node may be in the
  /// barrier meanwhile, behind which this node will know it, too. Nobody else touches the bytes before the
  /// phase in which all live there.
  func settleEarly() throws(EngineError) {
    let free = plan.segments.indices.filter { index in
      guard phase < plan.segments[index].rebirth, program.pioneers[index] ?? thread == thread else {
        return false
      }
      return program.cluster.nodes.contains { program.isReusable(index, on: $0) }
    }
    guard let index = free.first else { return }
    if program.pioneers[index] == nil {
      program.pioneers[index] = thread
      scheduler.note("settling early in segment", index)
      // What the lock of the segment table brings along.
      try engine.acquireAll()
      _ = engine.pages.define(plan.segments[index].second)
    }
    let cells = plan.cells.filter { $0.segment == index }
    if cells.isEmpty { return }
    for _ in 0..<random.within(0...3) {
      let address = random.pick(cells).address
      if random.chance(2, in: 3) { try store(address) } else { try load(address) }
    }
  }

  /// The resident of a segment writes its pages, and releases: so its node is alone with them.
  func useResidence() throws(EngineError) {
    let mine = plan.cells.indices.filter {
      let segment = plan.segments[plan.cells[$0].segment]
      guard segment.resident == thread, case .owner(thread) = plan.disciplines[phase][$0] else {
        return false
      }
      return plan.isResidents(plan.cells[$0], program.run)
    }
    if mine.isEmpty { return }
    for _ in 0..<random.within(1...3) {
      try store(plan.cells[random.pick(mine)].address)
      if random.chance(1, in: 2) { try engine.release() }
    }
  }

  /// Loads, and stores to every other cell on one of the nodes, which nobody else looks at.
  private func useForTheLastTime(_ index: Int) throws(EngineError) {
    let cells = plan.cells.indices.filter { plan.cells[$0].segment == index }
    let writer = plan.segments[index].lastWriter
    if cells.isEmpty { return }
    let residents = cells.filter { plan.isResidents(plan.cells[$0], program.run) }
    for _ in 0..<random.within(0...6) {
      let cell = random.pick(residents.isEmpty || random.chance(1, in: 3) ? cells : residents)
      if writer >= 0 && cell % 2 == 0 && !plan.isResidents(plan.cells[cell], program.run) {
        if node.id == writer { try store(plan.cells[cell].address) }
      } else {
        try load(plan.cells[cell].address)
      }
    }
  }
}
