/// A node that stops for good in the middle of a run.
public struct PlannedDeath: Sendable {
  public var node: Int
  /// The scheduling point at which it stops.
  public var step: Int
  /// Points from then until the others are told (`Scheduler.lostPeer`).
  public var delaySteps: Int
  /// Whether operations on its memory fail from then on; else its memory stays within reach.
  public var failsOperations: Bool

  public init(node: Int, step: Int, delaySteps: Int, failsOperations: Bool) {
    self.node = node
    self.step = step
    self.delaySteps = delaySteps
    self.failsOperations = failsOperations
  }
}

// The threads of a dead node stand still until all others have ended, which proves that none of those needed
// them. Then they run on, knowing that the job is over, only so that what their stacks hold is given back.

extension Scheduler {
  /// At every choice of a run with a death.
  func live(_ death: PlannedDeath) {
    if deadNode < 0, steps >= death.step {
      deadNode = death.node
      for index in 0..<threadCount where threads[index].node == deadNode {
        threads[index].stalledUntil = .max
      }
      log("node \(deadNode) dies")
      if liveCount == deadLiveCount { bury() }
    }
    if lostPeer < 0, steps >= death.step + death.delaySteps { lostPeer = Int32(death.node) }
  }

  /// Threads of the dead node that have not ended, daemons apart.
  var deadLiveCount: Int {
    var count = 0
    for index in 0..<threadCount where threads[index].stalledUntil == .max && !threads[index].isFinished {
      if !threads[index].isDaemon { count += 1 }
    }
    return count
  }

  /// Everybody else has ended.
  func bury() {
    lostPeer = Int32(deadNode)
    for index in 0..<threadCount where threads[index].stalledUntil == .max { threads[index].stalledUntil = 0 }
  }
}
