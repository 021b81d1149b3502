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
    try checkCommit()
  }

  /// By whoever has just got the commit lock: gives it back where the job is over. A round that failed has
  /// taken pages off the dirty list and placed nothing; what it failed of was known before it gave the lock
  /// back. A round behind it would count as one that covers it, and a release would return as if its writes
  /// were placed.
  @inlinable
  func checkCommit() throws(EngineError) {
    do throws(EngineError) {
      try checkPeers()
    } catch {
      dropCommitLock()
      throw error
    }
  }

  /// What rounds and invalidations hold, taken in the order of `Gate`: the gate, a workspace, the commit
  /// lock. Signals are blocked.
  @inlinable @inline(__always)
  func underCommitLock(_ body: (Workspace<E.W>) throws(EngineError) -> Void) throws(EngineError) {
    try enterGate()
    defer { leaveGate() }
    let w = takeWorkspace()
    defer { giveBack(w) }
    try takeCommitLock()
    defer { dropCommitLock() }
    // Kept before the lock is given back: see `checkCommit`.
    do throws(EngineError) { try body(w) } catch { throw midway(error) }
  }

  @inlinable
  func dropCommitLock() {
    ensure(isCommitLockHeld, .commitLockHeld)
    local.commitLock.store(0)
  }
}
