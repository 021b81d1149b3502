import Platform

// The part of a lock that the threads of one node settle among themselves: they queue by ticket, and
// pass the global lock on while it is here. A local hand-over needs no flush and no invalidation.

extension Engine {
  @inlinable
  func localLock(_ id: Int) -> LocalLock<E.W> { local.localLock(id) }

  /// Queues among the threads of this node. Who calls counts as waiting.
  @inlinable
  func enterLocal(_ lock: LocalLock<E.W>) throws(EngineError) {
    if lock.owner.loadRelaxed() == UInt64(execution.threadID) { throw .deadlock }
    let ticket = lock.nextTicket.fetchAdd(1)
    execution.interleave(#line)
    // Acquire: pairs with the release of whoever served before.
    if lock.serving.load() == ticket { return }
    var backoff = Backoff()
    while lock.serving.load() != ticket {
      try checkPeers()
      execution.pause(&backoff)
    }
  }

  /// Enters only if nobody of this node is there; takes no place in the queue otherwise.
  @inlinable
  func tryEnterLocal(_ lock: LocalLock<E.W>) -> Bool {
    let serving = lock.serving.load()
    execution.interleave(#line)
    return lock.nextTicket.load() == serving && lock.nextTicket.compareExchange(serving, serving + 1)
  }

  @inlinable
  func leaveLocal(_ lock: LocalLock<E.W>) {
    let ticket = lock.serving.fetchAdd(1)
    ensure(ticket < lock.nextTicket.load(), .ticketsInOrder, Int(ticket))
  }
}
