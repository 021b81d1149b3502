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
      var names: [SlotName] = []
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
    guard var pending = try beginWait() else { return }
    while try pending.step() == .waiting {}
    _ = try pending.finish()
  }

  /// The beginning of a wait in steps; `nil` where the event is set.
  package func beginWait() throws(MerinoError) -> PendingWait? {
    try withMonitor("wait for an event") { monitor throws(EngineError) in
      if monitor.words[Self.flag] != 0 {
        try monitor.leave()
        return nil
      }
      return try PendingWait(&monitor)
    }
  }

  private func withMonitor<R>(
    _ attempt: String, _ body: (inout Monitor) throws(EngineError) -> R
  ) throws(MerinoError) -> R {
    let runtime = try Runtime.current()
    let id = try runtime.objects.resolve(handle, as: .event)
    return try attempting(attempt) { () throws(EngineError) in
      var monitor = Monitor(runtime.engine, id, handle: handle)
      try monitor.enter()
      return try body(&monitor)
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
