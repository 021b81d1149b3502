import Coherence

/// A flag that threads of all nodes wait for; it stays set until it is cleared. Setting it happens before a
/// wait that it ends.
public struct Event: Sendable, Equatable {
  /// What names this event on every node.
  public let handle: UInt64

  /// The event that `handle` names.
  public init(handle: UInt64) { self.handle = handle }

  private static let flag = 0

  /// Sets the event: all who wait go on, and all who come later pass.
  ///
  /// - Throws: `.invalidHandle`, `.notJoined`, `.peerLost`.
  public func set() throws(MerinoError) {
    try withMonitor("set an event") { monitor throws(EngineError) in
      monitor.words[Self.flag] = 1
      var names: [UInt64] = []
      while monitor.hasWaiters { names.append(try monitor.dequeue()) }
      try monitor.grant(names)
      try monitor.leave()
    }
  }

  /// Clears the event.
  ///
  /// - Throws: as `set`.
  public func clear() throws(MerinoError) {
    try withMonitor("clear an event") { monitor throws(EngineError) in
      monitor.words[Self.flag] = 0
      try monitor.leave()
    }
  }

  /// Waits until the event is set.
  ///
  /// - Throws: as `set`; `.limitReached`.
  public func wait() throws(MerinoError) {
    try withMonitor("wait for an event") { monitor throws(EngineError) in
      if monitor.words[Self.flag] != 0 {
        try monitor.leave()
        return
      }
      let waiter = try monitor.enqueue(mode: 0)
      try monitor.leave()
      try monitor.await(waiter.slot)
    }
  }

  private func withMonitor(
    _ attempt: String, _ body: (inout Monitor) throws(EngineError) -> Void
  ) throws(MerinoError) {
    let runtime = try Runtime.current()
    let id = try runtime.objects.resolve(handle, as: .event)
    try attempting(attempt) { () throws(EngineError) in
      var monitor = Monitor(runtime.engine, id, handle: handle)
      try monitor.enter()
      try body(&monitor)
    }
  }

  /// Removes the event, which nobody may wait for or use any more.
  ///
  /// - Throws: `.busy` where somebody waits; `.invalidHandle`, `.notJoined`, `.peerLost`.
  public func destroy() throws(MerinoError) {
    let runtime = try Runtime.current()
    try runtime.objects.destroy(handle, as: .event) { $0[Monitor.first] == 0 }
  }
}

extension Cluster {
  /// Makes an event, clear. Local: no other node takes part.
  ///
  /// - Throws: `.limitReached` where all locks of the job are in use, `.peerLost`.
  public func makeEvent() throws(MerinoError) -> Event {
    Event(handle: try runtime.objects.create(.event).raw)
  }
}
