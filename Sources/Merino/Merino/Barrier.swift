import Coherence

/// A barrier of a fixed number of threads, any threads of any nodes; ready again for the next round when
/// all have come. What a participant wrote before it happens before what follows it in all.
public struct Barrier: Sendable, Equatable {
  /// What names this barrier on every node.
  public let handle: UInt64

  /// The barrier that `handle` names.
  public init(handle: UInt64) { self.handle = handle }

  private static let participants = 0
  private static let arrived = 1

  /// Waits until as many threads have come as the barrier was made for.
  ///
  /// - Throws: `.invalidHandle`, `.notJoined`, `.limitReached`, `.peerLost`.
  public func wait() throws(MerinoError) {
    let runtime = try Runtime.current()
    let id = try runtime.objects.resolve(handle, as: .barrier)
    try attempting("wait in a barrier") { () throws(EngineError) in
      var monitor = Monitor(runtime.engine, id, handle: handle)
      // Taking the lock orders this thread after all who arrived before.
      try monitor.enter()
      try monitor.check(Self.arrived, monitor.words[Self.arrived] < monitor.words[Self.participants])
      monitor.words[Self.arrived] += 1
      if monitor.words[Self.arrived] == monitor.words[Self.participants] {
        monitor.words[Self.arrived] = 0
        var names: [SlotName] = []
        while monitor.hasWaiters { names.append(try monitor.dequeue()) }
        try monitor.grant(names)
        try monitor.leave()
      } else {
        let waiter = try monitor.enqueue(mode: 0)
        try monitor.leave()
        try monitor.await(waiter.slot)
      }
    }
  }

  /// Removes the barrier, in which nobody may wait any more.
  ///
  /// - Throws: `.busy` where threads wait in it; `.invalidHandle`, `.notJoined`, `.peerLost`.
  public func destroy() throws(MerinoError) {
    let runtime = try Runtime.current()
    try runtime.objects.destroy(handle, as: .barrier) { $0[Self.arrived] == 0 }
  }

  static func make(_ runtime: Runtime, participants: Int) throws(MerinoError) -> Barrier {
    guard participants > 0, participants <= Int(UInt32.max) else {
      throw MerinoError(
        .invalidArgument, "could not make a barrier of \(participants) threads: it takes at least 1.")
    }
    assert(Self.participants == 0, "it is the first word")
    return Barrier(handle: try runtime.objects.create(.barrier, first: UInt64(participants)).raw)
  }
}

extension Cluster {
  /// Makes a barrier of `participants` threads, at least 1. Local: no other node takes part.
  ///
  /// - Throws: `.invalidArgument`, `.limitReached`, `.peerLost`.
  public func makeBarrier(participants: Int) throws(MerinoError) -> Barrier {
    try Barrier.make(try runtime, participants: participants)
  }
}
