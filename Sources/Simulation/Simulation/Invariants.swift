import Coherence
import Fabric
import Platform
import SimulatedFabric

extension Program {
  /// What holds while all threads rest behind a barrier (docs/protocol.md, section 9, number 5): at most one
  /// node believes itself home of a page, the directory names it, and its frame is complete.
  func checkInvariants() {
    for segment in plan.segments.indices where isMapped(segment) {
      guard let shape = cluster.nodes[0].engine.pages.shape(of: plan.segments[segment].shape.firstPage)
      else { continue }
      let unitPages = 1 << shape.unitShift
      for page in shape.pages.by(unitPages) {
        checkUnit(Unit(page: page, count: unitPages))
      }
    }
  }

  /// Whether every node has the same idea of the segment: not in the middle of its death.
  private func isMapped(_ segment: Int) -> Bool {
    let shapes = cluster.nodes.map { $0.engine.pages.shape(of: plan.segments[segment].shape.firstPage) }
    return detached[segment] == 0 && shapes.allSatisfy { $0 == shapes[0] && $0 != nil }
  }

  /// What holds of freed pages in the phase before they may live again: the node knows nothing of them, and
  /// its memory of them is zero.
  func checkForgotten(in phase: Int, on node: SimulatedNode) {
    for (index, segment) in plan.segments.enumerated()
    where segment.death != .max && phase == segment.death + 2 && pioneers[index] == nil {
      checkForgotten(segment, on: node)
    }
  }

  private func checkForgotten(_ segment: PlannedSegment, on node: SimulatedNode) {
    let c = run.configuration
    let pages = segment.shape.pages
    if let remnant = node.engine.remnant(ofFreed: pages) {
      scheduler.fail("Node \(node.id) still has \(remnant) of pages \(pages), which were freed.")
    }
    for page in pages {
      for address in c.bytes(of: PageRange(page, count: 1))
      where cluster.network.frameByte(address, of: node.nodeID) != 0 {
        scheduler.fail("Node \(node.id) has byte \(address) of page \(page), which was freed.")
      }
    }
  }

  private func checkUnit(_ unit: Unit) {
    let shard = cluster.nodes[0].engine.directoryWord(unit.page)
    let named = cluster.nodes[shard.node.number].engine.home(in: shard.word)
    for node in cluster.nodes {
      let word = node.engine.pages.load(unit.page)
      if word.isHome, node.nodeID != named {
        scheduler.fail(
          "Node \(node.id) believes itself home of page \(unit.page), but the directory names \(named).")
      }
      if word.home >= 0, word.home != named {
        scheduler.fail("Node \(node.id) takes \(word.home) for the home of page \(unit.page), not \(named).")
      }
      if word.isLocked {
        scheduler.fail("Page \(unit.page) of node \(node.id) is locked with everybody at rest.")
      }
      checkProtection(node, unit, word)
    }
    for address in run.configuration.bytes(of: unit.pages) {
      let expected = oracle.value(address)
      let found = named < 0 ? 0 : cluster.network.frameByte(address, of: named)
      if found != expected {
        scheduler.fail(
          "After a barrier byte \(address) of page \(unit.page) is \(found) at its home, node \(named), "
            + "but the last write stored \(expected).")
      }
    }
  }

  /// No view allows more than the state does.
  private func checkProtection(_ node: SimulatedNode, _ unit: Unit, _ word: PageWord) {
    let limit: Access =
      switch word.state {
      case .invalid, .fetching: .none
      case .clean, .homeTracked: .read
      default: .readWrite
      }
    for page in unit.pages {
      for view in node.views where node.allowed(page, view: view) > limit.rawValue && !word.isPinned {
        scheduler.fail(
          "Page \(page) of node \(node.id) is \(word.state), but view \(view) allows more than \(limit).")
      }
    }
  }
}
