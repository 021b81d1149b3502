import Coherence

/// A condition variable: threads of all nodes wait with a lock until others say that something changed.
/// Waiters are woken in the order in which they came; one that gives up takes no wake-up with it.
public struct Condition: Sendable, Equatable {
  /// What names this condition on every node.
  public let handle: UInt64

  /// The condition that `handle` names.
  public init(handle: UInt64) { self.handle = handle }

  /// Releases `lock`, waits for a signal or broadcast that comes after, and takes the lock again.
  ///
  /// - Throws: `.notOwner` where this thread does not hold the lock; `.invalidHandle`, `.notJoined`,
  ///   `.limitReached`, `.peerLost`.
  public func wait(with lock: Lock) throws(MerinoError) {
    _ = try wait(with: lock, limit: nil)
  }

  /// As `wait(with:)`, but no longer than a time limit; false where it passed. The lock is held again
  /// either way.
  ///
  /// - Throws: as `wait(with:)`.
  public func wait(with lock: Lock, withinNanoseconds limit: UInt64) throws(MerinoError) -> Bool {
    try wait(with: lock, limit: limit)
  }

  private func wait(with lock: Lock, limit: UInt64?) throws(MerinoError) -> Bool {
    var pending = try beginWait(with: lock, withinNanoseconds: limit)
    while try pending.step() == .waiting {}
    return try pending.finish()
  }

  /// The beginning of a wait in steps. Where this throws, the lock is held as before.
  package func beginWait(
    with lock: Lock, withinNanoseconds limit: UInt64?
  ) throws(MerinoError) -> PendingWait {
    let runtime = try Runtime.current()
    let id = try runtime.objects.resolve(handle, as: .condition)
    let lockID = try runtime.objects.resolve(lock.handle, as: .lock)
    let engine = runtime.engine
    guard engine.holdsLock(lockID) else {
      throw MerinoError(
        .notOwner, "could not wait for a condition: the calling thread does not hold the lock.")
    }
    return try attempting("wait for a condition") { () throws(EngineError) in
      var monitor = Monitor(engine, id, handle: handle)
      try monitor.enter()
      return try PendingWait(&monitor, lock: lockID, withinNanoseconds: limit)
    }
  }

  /// Wakes the thread that has waited longest, if any.
  ///
  /// - Throws: `.invalidHandle`, `.notJoined`, `.peerLost`.
  public func signal() throws(MerinoError) { try wake(all: false) }

  /// Wakes all who wait.
  ///
  /// - Throws: as `signal`.
  public func broadcast() throws(MerinoError) { try wake(all: true) }

  private func wake(all: Bool) throws(MerinoError) {
    let runtime = try Runtime.current()
    let id = try runtime.objects.resolve(handle, as: .condition)
    try attempting("signal a condition") { () throws(EngineError) in
      var monitor = Monitor(runtime.engine, id, handle: handle)
      try monitor.enter()
      var names: [SlotName] = []
      while monitor.hasWaiters && (all || names.isEmpty) { names.append(try monitor.dequeue()) }
      try monitor.grant(names)
      try monitor.leave()
    }
  }

  /// Removes the condition, which nobody may wait for or use any more.
  ///
  /// - Throws: `.busy` where somebody waits; `.invalidHandle`, `.notJoined`, `.peerLost`.
  public func destroy() throws(MerinoError) {
    let runtime = try Runtime.current()
    try runtime.objects.destroy(handle, as: .condition) { $0[Monitor.first] == 0 }
  }
}

extension Cluster {
  /// Makes a condition variable. Local: no other node takes part.
  ///
  /// - Throws: `.limitReached` where all locks of the job are in use, `.peerLost`.
  public func makeCondition() throws(MerinoError) -> Condition {
    Condition(handle: try runtime.objects.create(.condition).raw)
  }
}
