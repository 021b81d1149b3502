import Platform

// The gate: a barrier that moves homes stops page operations of this node (faults, flushes,
// invalidations, atomics) for as long as hints are between two truths.
//
// Operations inside wait only for the fabric and for each other, never for a lock of the program, so
// closing the gate always succeeds; and the gate is closed only after all nodes have arrived at the
// barrier, so waiting at it is bounded by the barriers' own threads.

// What a thread takes, it takes in this order: gate, workspace, commit lock, lock bits of pages in
// ascending order. So no two threads wait for each other.

extension Engine {
  @inlinable
  func enterGate() throws(EngineError) {
    while true {
      local.inside.fetchAdd(1)
      execution.interleave(#line)
      // Full barrier before this load (fetchAdd); closeGate stores, fences and then reads `inside`:
      // one of the two sees the other.
      if local.gateClosed.load() == 0 { return }
      local.inside.fetchAdd(~0)
      var backoff = Backoff()
      while local.gateClosed.load() != 0 {
        try checkPeers()
        execution.pause(&backoff)
      }
    }
  }

  @inlinable
  func leaveGate() {
    let before = local.inside.fetchAdd(~0)
    ensure(before != 0, .insideGate)
  }

  /// By the barrier's thread, which is not inside itself.
  @inlinable
  func closeGate() throws(EngineError) {
    ensure(local.gateClosed.exchange(1) == 0, .gateOpenedOnce)
    execution.interleave(#line)
    var backoff = Backoff()
    while local.inside.load() != 0 {
      try checkPeers()
      execution.pause(&backoff)
    }
  }

  @inlinable
  func openGate() {
    ensure(isGateClosed, .gateOpenedOnce)
    local.gateClosed.store(0)
  }
}
