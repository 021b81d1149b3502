import Platform

/// The part of a lock that the threads of one node settle among themselves: they queue by ticket, and
/// pass the global lock on while it is here. A local hand-over needs no flush and no invalidation.
@frozen
public struct LocalLock: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  @inlinable public static var byteCount: Int { 64 }

  @inlinable init(_ base: UnsafeMutableRawPointer) { self.base = base }
  @inlinable var nextTicket: AtomicWord { AtomicWord(base) }
  @inlinable var serving: AtomicWord { AtomicWord(base + 8) }
  /// The thread that holds the lock, 0 for none.
  @inlinable var owner: AtomicWord { AtomicWord(base + 16) }
  /// The global lock's slot + 1 while this node has it, else 0. Belongs to the ticket being served.
  @inlinable var slot: AtomicWord { AtomicWord(base + 24) }
  /// Hand-overs within this node since it got the global lock.
  @inlinable var passes: AtomicWord { AtomicWord(base + 32) }
}

extension Engine {
  @inlinable
  func localLock(_ id: Int) -> LocalLock {
    LocalLock(local.localLocks + id * LocalLock.byteCount)
  }

  /// Queues among the threads of this node.
  @inlinable
  func enterLocal(_ lock: LocalLock) throws(EngineError) {
    if lock.owner.loadRelaxed() == UInt64(execution.threadID) { throw .deadlock }
    let ticket = lock.nextTicket.fetchAdd(1)
    execution.interleave(#line)
    // Acquire: pairs with the release of whoever served before.
    if lock.serving.load() == ticket { return }
    beginWaiting()
    defer { endWaiting() }
    var backoff = Backoff()
    while lock.serving.load() != ticket {
      try checkPeers()
      execution.pause(&backoff)
    }
  }

  /// Enters only if nobody of this node is there; takes no place in the queue otherwise.
  @inlinable
  func tryEnterLocal(_ lock: LocalLock) -> Bool {
    let serving = lock.serving.load()
    execution.interleave(#line)
    return lock.nextTicket.load() == serving && lock.nextTicket.compareExchange(serving, serving + 1)
  }

  @inlinable
  func leaveLocal(_ lock: LocalLock) {
    let ticket = lock.serving.fetchAdd(1)
    ensure(ticket < lock.nextTicket.load(), .ticketsInOrder, Int(ticket))
  }
}
