import Platform

/// Where the counters of a job begin. At zero, except in tests: what is right after two steps has to be right
/// after 2^32 of them, and nobody waits for those.
public struct CounterStart: Sendable, Equatable {
  /// Barriers.
  public var epoch: UInt64 = 0
  /// Messages of barriers; their number is cut to 16 bits.
  public var dissemination: UInt64 = 0
  /// Notices in each node's log.
  public var logPosition: UInt64 = 0
  /// Freed ranges.
  public var retirePosition: UInt64 = 0
  /// Release rounds.
  public var round: UInt64 = 0

  public init() {}
}

extension Engine {
  /// Has all counters begin at `start`, as if so much had happened. Before the node does anything; the same
  /// on all nodes.
  public func startCounters(at start: CounterStart) {
    local.epoch.store(start.epoch)
    local.disseminations.store(start.dissemination)
    logHead.store(start.logPosition)
    logFloor.store(start.logPosition)
    for peer in configuration.nodes {
      local.applied(peer).store(start.logPosition)
      local.barrierClock[peer] = start.logPosition
    }
    for id in 0..<configuration.lockCount where lockRecord(id).node == node {
      let clock = clock(lockRecord(id).record.clock)
      for peer in configuration.nodes { clock[peer] = start.logPosition }
    }
    // The inboxes hold messages of before: else a number whose 16 bits are zero were theirs already.
    let last = TaggedWord(0, of: start.dissemination)
    for round in 0..<configuration.roundCount {
      for parity in [0, 1] as [UInt64] {
        let words = layout.inbox(round, parity).words
        for index in 0..<words.count { own(words[index]).store(last.raw) }
      }
    }
    local.retireApplied.store(start.retirePosition)
    local.retireReusable.store(start.retirePosition)
    if node == 0 { own(layout.retireHead).store(start.retirePosition) }
    local.roundsBegun.store(start.round)
    local.roundsFinished.store(start.round)
  }
}
