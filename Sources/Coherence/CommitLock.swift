import Platform

// The commit lock serialises what makes writes visible to other nodes or other nodes' writes visible
// here: release rounds, and the invalidations of acquires. Held with signals blocked; its holder
// waits only for the fabric and for lock bits of pages.

extension Engine {
  @inlinable
  func tryCommitLock() -> Bool { local.commitLock.compareExchange(0, 1) }

  @inlinable
  func takeCommitLock() throws(EngineError) {
    var backoff = Backoff()
    execution.interleave(#line)
    while !tryCommitLock() {
      try checkPeers()
      execution.pause(&backoff)
    }
  }

  @inlinable
  func dropCommitLock() {
    ensure(isCommitLockHeld, .commitLockHeld)
    local.commitLock.store(0)
  }
}
