import Coherence
import SimulatedFabric

// Segments that die: who has them for itself, who uses them for the last time, and who gives them back.

extension Worker {
  /// Uses a segment that dies in this phase for the last time and detaches it. The last one to do so retires the pages.
  /// Other nodes may be in the middle of a barrier meanwhile, and so may this one.
  func leave(_ index: Int) throws(EngineError) {
    let segment = plan.segments[index]
    try useForTheLastTime(index)
    let pages = segment.shape.firstPage..<segment.shape.firstPage + segment.shape.pageCount
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
    program.retired[index] = position
    program.forget(index)
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
