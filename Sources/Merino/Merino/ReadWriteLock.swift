import Coherence

/// A lock that either one writer or any number of readers holds, between threads of all nodes. First
/// come, first served: new readers do not overtake a writer that waits. Release orders before acquire.
public struct ReadWriteLock: Sendable, Equatable {
  /// What names this lock on every node.
  public let handle: UInt64

  /// The lock that `handle` names.
  public init(handle: UInt64) { self.handle = handle }

  // Words of the record: readers inside, writers inside.
  private static let readers = 0
  private static let writers = 1
  private static let reading: UInt64 = 1
  private static let writing: UInt64 = 2

  /// Takes the lock together with other readers.
  ///
  /// - Throws: `.deadlock` where this thread holds it either way; `.invalidHandle`, `.notJoined`,
  ///   `.limitReached`, `.peerLost`.
  public func acquireForReading() throws(MerinoError) { try acquire(Self.reading) }

  /// Takes the lock alone.
  ///
  /// - Throws: as `acquireForReading`.
  public func acquireForWriting() throws(MerinoError) { try acquire(Self.writing) }

  private func acquire(_ mode: UInt64) throws(MerinoError) {
    let runtime = try Runtime.current()
    let id = try runtime.objects.resolve(handle, as: .readWriteLock)
    let what = mode == Self.reading ? "take a lock for reading" : "take a lock for writing"
    if runtime.holders.mode(id) != 0 {
      throw MerinoError(
        .deadlock, "could not \(what): the calling thread holds it already, so waiting would never end.")
    }
    try attempting(what) { () throws(EngineError) in
      var monitor = Monitor(runtime.engine, id, handle: handle)
      try monitor.enter()
      try Self.check(monitor)
      let isFree = monitor.words[Self.writers] == 0 && !monitor.hasWaiters
      if isFree && (mode == Self.reading || monitor.words[Self.readers] == 0) {
        monitor.words[mode == Self.reading ? Self.readers : Self.writers] += 1
        try monitor.leave()
      } else {
        let waiter = try monitor.enqueue(mode: mode)
        try monitor.leave()
        // Whoever grants has counted this thread in.
        try monitor.await(waiter.slot)
      }
    }
    runtime.holders.set(id, mode)
  }

  /// Gives the lock back, however this thread holds it.
  ///
  /// - Throws: `.notOwner` where it does not; `.invalidHandle`, `.notJoined`, `.peerLost`.
  public func release() throws(MerinoError) {
    let runtime = try Runtime.current()
    let id = try runtime.objects.resolve(handle, as: .readWriteLock)
    let mode = runtime.holders.mode(id)
    if mode == 0 {
      throw MerinoError(
        .notOwner, "could not release a reader-writer lock: the calling thread does not hold it.")
    }
    try attempting("release a reader-writer lock") { () throws(EngineError) in
      var monitor = Monitor(runtime.engine, id, handle: handle)
      try monitor.enter()
      let holders = mode == Self.reading ? Self.readers : Self.writers
      try Self.check(monitor)
      try monitor.check(holders, monitor.words[holders] > 0)
      monitor.words[holders] -= 1
      let granted = try Self.admit(&monitor)
      try monitor.grant(granted)
      try monitor.leave()
    }
    // Behind the rest: a thread that could not give it back holds it still.
    runtime.holders.set(id, 0)
  }

  /// As many readers and writers as there can be.
  private static func check(_ monitor: Monitor) throws(EngineError) {
    try monitor.check(readers, monitor.words[readers] <= UInt64(UInt32.max))
    try monitor.check(writers, monitor.words[writers] <= 1)
  }

  /// The waiters that may go now: one writer, or all readers up to the next writer; counted in.
  private static func admit(_ monitor: inout Monitor) throws(EngineError) -> [SlotName] {
    var names: [SlotName] = []
    while monitor.hasWaiters, monitor.words[writers] == 0 {
      if try monitor.firstMode() == writing {
        if monitor.words[readers] != 0 { break }
        names.append(try monitor.dequeue())
        monitor.words[writers] = 1
      } else {
        names.append(try monitor.dequeue())
        monitor.words[readers] += 1
      }
    }
    return names
  }

  /// Runs `body` holding the lock for reading.
  ///
  /// - Throws: what `body` throws, or a `MerinoError`.
  public func withReadLock<R>(_ body: () throws -> R) throws -> R {
    try acquireForReading()
    return try releasing(body)
  }

  /// Runs `body` holding the lock for writing.
  ///
  /// - Throws: what `body` throws, or a `MerinoError`.
  public func withWriteLock<R>(_ body: () throws -> R) throws -> R {
    try acquireForWriting()
    return try releasing(body)
  }

  private func releasing<R>(_ body: () throws -> R) throws -> R {
    let outcome = Result { try body() }
    try release()
    return try outcome.get()
  }

  /// Removes the lock, which nobody may hold, wait for or use any more.
  ///
  /// - Throws: `.busy` where it is held; `.invalidHandle`, `.notJoined`, `.peerLost`.
  public func destroy() throws(MerinoError) {
    let runtime = try Runtime.current()
    try runtime.objects.destroy(handle, as: .readWriteLock) {
      $0[Self.readers] == 0 && $0[Self.writers] == 0 && $0[Monitor.first] == 0
    }
  }
}

extension Cluster {
  /// Makes a reader-writer lock, free. Local: no other node takes part.
  ///
  /// - Throws: `.limitReached` where all locks of the job are in use, `.peerLost`.
  public func makeReadWriteLock() throws(MerinoError) -> ReadWriteLock {
    ReadWriteLock(handle: try runtime.objects.create(.readWriteLock).raw)
  }
}
