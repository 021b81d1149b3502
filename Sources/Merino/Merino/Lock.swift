import Coherence

/// A lock between threads of all nodes. First come, first served between nodes; the owner is a thread;
/// not recursive. A value that can be stored in shared memory.
///
/// Releasing it happens before the next holder gets it.
public struct Lock: Sendable, Equatable {
  /// What names this lock on every node.
  public let handle: UInt64

  /// The lock that `handle` names.
  public init(handle: UInt64) { self.handle = handle }

  /// Runs `body` holding the lock.
  ///
  /// - Throws: what `body` throws, or a `MerinoError` as `acquire`.
  public func withLock<R>(_ body: () throws -> R) throws -> R {
    try acquire()
    let outcome = Result { try body() }
    try release()
    return try outcome.get()
  }

  /// Takes the lock, waiting as long as it takes.
  ///
  /// - Throws: `.deadlock` where this thread holds it; `.invalidHandle`, `.notJoined`, `.peerLost`.
  public func acquire() throws(MerinoError) {
    try Runtime.withCurrent { runtime throws(MerinoError) in
      let id = try runtime.objects.resolve(handle, as: .lock)
      try attempting("take a lock") { () throws(EngineError) in try runtime.engine.acquireLock(id) }
    }
  }

  /// Takes the lock if it is free now; false where it is not.
  ///
  /// - Throws: as `acquire`.
  public func tryAcquire() throws(MerinoError) -> Bool {
    let runtime = try Runtime.current()
    let id = try runtime.objects.resolve(handle, as: .lock)
    if runtime.engine.holdsLock(id) && !runtime.engine.isOver {
      throw MerinoError(
        .deadlock, "could not take a lock: the calling thread holds it already, so waiting would never end.")
    }
    return try runtime.unlessBusy("take a lock") { () throws(EngineError) in
      try runtime.engine.tryAcquireLock(id)
    }
  }

  /// Takes the lock if it becomes free within a time limit; stands in no queue meanwhile.
  ///
  /// - Throws: as `acquire`.
  public func acquire(withinNanoseconds limit: UInt64) throws(MerinoError) -> Bool {
    let runtime = try Runtime.current()
    let id = try runtime.objects.resolve(handle, as: .lock)
    return try runtime.unlessBusy("take a lock") { () throws(EngineError) in
      try runtime.engine.acquireLock(id, withinNanoseconds: limit)
    }
  }

  /// Gives the lock back.
  ///
  /// - Throws: `.notOwner` where this thread does not hold it; `.invalidHandle`, `.notJoined`, `.peerLost`.
  public func release() throws(MerinoError) {
    try Runtime.withCurrent { runtime throws(MerinoError) in
      let id = try runtime.objects.resolve(handle, as: .lock)
      try attempting("release a lock") { () throws(EngineError) in try runtime.engine.releaseLock(id) }
    }
  }

  /// Removes the lock, which nobody may hold, wait for or use any more.
  ///
  /// - Throws: `.busy` where it is held; `.invalidHandle`, `.notJoined`, `.peerLost`.
  public func destroy() throws(MerinoError) {
    let runtime = try Runtime.current()
    try runtime.objects.destroy(handle, as: .lock) { _ in true }
    try runtime.segments.forgetLock(handle)
  }
}

extension Cluster {
  /// Makes a lock, free. Local: no other node takes part.
  ///
  /// - Throws: `.limitReached` where all locks of the job are in use, `.peerLost`.
  public func makeLock() throws(MerinoError) -> Lock {
    Lock(handle: try runtime.objects.create(.lock).raw)
  }

  /// Makes the lock of this name, or finds it where a node has made it before.
  ///
  /// - Throws: `.invalidArgument` for a bad name, `.limitReached`, `.peerLost`.
  public func makeLock(named name: String) throws(MerinoError) -> Lock {
    Lock(handle: try runtime.segments.namedLock(name))
  }
}
