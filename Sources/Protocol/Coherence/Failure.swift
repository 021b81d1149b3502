import Fabric
import Platform

// What stops the engine: the loss of a node, and the first failure of this node's own.
//
// A connection that failed once does so for ever, and a word that no node can have written is one of a memory
// that cannot be believed any more. Both come in the middle of something: a successor was not told, a diff
// has no notice, a lock is here without what was released with it. So a failure stays. Every thread's waits
// end and every later call is refused with what the first one was told, and nobody goes on as if it had been
// done.

extension Engine {
  /// Throws where the job is over for this node. On entry of whatever orders memory or reaches another node,
  /// and in every wait: the fabric may let operations on a dead node's memory succeed for ever.
  @inlinable @inline(__always)
  public func checkPeers() throws(EngineError) {
    let lost = execution.lostPeer
    // Acquire: pairs with `keep`.
    let failed = local.failed.load()
    if lost >= 0 || failed != 0 { try sayOver(lost, failed) }
  }

  @inlinable @inline(never)
  func sayOver(_ lost: Int32, _ failed: UInt64) throws(EngineError) {
    if lost >= 0 { throw .fabric(FabricFailure(reason: .peerLost, peer: lost)) }
    throw .fabric(kept(failed))
  }

  /// Whether the job is over for this node: see `checkPeers`.
  @inlinable public var isOver: Bool { execution.lostPeer >= 0 || hasFailed }

  /// Whether it is by a failure of this node's own, of which the others know nothing.
  @inlinable public var hasFailed: Bool { local.failed.load() != 0 }

  /// The failure stays, if it is the first one. One is there when this returns.
  @inlinable
  func keep(_ failure: FabricFailure) {
    // Not one word with the rest, so of two failures at once the value may be the other's.
    _ = local.failedValue.compareExchange(0, failure.value)
    let word = FailureWord(failure.reason, peer: NodeID(Int(failure.peer)), status: failure.status)
    // Release, by the full barrier: pairs with the load in `checkPeers`; the value is there before it.
    _ = local.failed.compareExchange(0, word.raw)
  }

  /// What `keep` has kept in `local.failed`.
  @inlinable
  func kept(_ word: UInt64) -> FabricFailure {
    var failure = FailureWord(raw: word).failure
    if failure.reason == .badWord { failure.value = local.failedValue.loadRelaxed() }
    return failure
  }

  /// The error for a word of `peer` that says what no node can have written. It stays.
  @inlinable
  public func bad(_ word: PeerWord, of peer: NodeID, _ value: UInt64) -> EngineError {
    let failure = FabricFailure(bad: word, of: peer, value: value)
    keep(failure)
    return .fabric(failure)
  }

  /// What stopped a round, an acquire or a barrier in the middle. Memory that could not be registered is an
  /// ordinary failure elsewhere, of a call that has changed nothing; here it stays, as another one.
  @inlinable
  func midway(_ error: EngineError) -> EngineError {
    guard case .fabric(var failure) = error, failure.reason == .registrationFailed else { return error }
    failure.reason = .halfDone
    keep(failure)
    return .fabric(failure)
  }

  /// Waits for all operations of `flight`.
  @inlinable
  func wait(_ flight: Flight) throws(EngineError) {
    var backoff = Backoff()
    while true {
      fabric.poll()
      // Acquire: the completion's results were stored before the count went down.
      if flight.pending.load() == 0 { break }
      try checkPeers()
      execution.pause(&backoff)
    }
    if let failure = flight.takeFailure() {
      try explain(failure)
      keep(failure)
      throw .fabric(failure)
    }
  }

  /// Throws what lies behind a failure, if anything: a node that dies takes its ends of the connections with
  /// it, and the fabric may see that before the launcher has told it. Who has left is what the user has to
  /// know, so a failure at another node waits a little for the news. Nothing goes on behind it.
  @inlinable
  func explain(_ failure: FabricFailure) throws(EngineError) {
    if failure.status > 0 && NodeID(Int(failure.peer)) != node {
      let start = execution.nowNanoseconds()
      var backoff = Backoff()
      while execution.nowNanoseconds() &- start < 500_000_000 {
        try checkPeers()
        execution.pause(&backoff)
      }
    }
  }
}
