import Fabric
import Platform

/// What stops an operation of the protocol. Trivially copyable: throwing it allocates nothing.
@frozen
public enum EngineError: Error, BitwiseCopyable, Sendable, Equatable {
  /// The fabric could not do what was needed, or a peer is gone.
  // A struct, not a tuple of payloads: throwing it in a debug build must not build metadata at run time.
  case fabric(FabricFailure)
  /// The calling thread holds the lock already.
  case deadlock
  /// The calling thread does not hold the lock.
  case notOwner
  /// The lock is held by somebody else (try, or within a time limit).
  case busy
  /// Every lock slot of this node is in use.
  case slotsExhausted
  /// The number names no live object of this kind.
  case invalidObject
}

/// Lazy Release Consistency for one node: what a page fault, a release, an acquire, a lock, a barrier
/// do. One body of code for production and for the simulator; `E` says over which fabric, with
/// which protection.
///
/// A handful of raw pointers, trivially copyable, so that the signal handler uses it
/// without reference counting. The memory behind it (`LocalState.byteCount`) and the fabric's
/// outlive every copy. All members may be called from any thread unless they say otherwise.
@frozen
public struct Engine<E: Environment>: BitwiseCopyable, @unchecked Sendable {
  public let fabric: E.F
  public let protection: E.P
  public let execution: E.X
  public let configuration: Configuration
  public let layout: ControlLayout
  public let pages: PageTable
  public let local: LocalState

  /// `localMemory`: `Engine.localByteCount` bytes of zeroed memory, page-aligned, private to this
  /// node. The fabric's control memory is zeroed too and at least `layout.byteCount` long.
  public init(
    fabric: E.F, protection: E.P, execution: E.X, configuration: Configuration,
    layout: ControlLayout, localMemory: UnsafeMutableRawPointer
  ) {
    self.fabric = fabric
    self.protection = protection
    self.execution = execution
    self.configuration = configuration
    self.layout = layout
    var carving = Carving(localMemory)
    local = LocalState(configuration, &carving)
    pages = PageTable(configuration, &carving)
    precondition(fabric.memory.controlByteCount >= layout.byteCount, "control memory too small")
    AtomicByte(control + layout.workspaces).store(0)
    for offset in 0..<1 << ControlLayout.blockShift { AtomicByte(control + layout.ones + offset).store(1) }
    for index in 0..<configuration.workspaceCount {
      (workspace(index).one).storeBytes(of: 1, as: UInt64.self)
    }
  }

  /// Bytes of private memory that an engine needs; sparse, most of it is twins.
  public static func localByteCount(_ c: Configuration) -> Int {
    var carving = Carving(nil)
    _ = LocalState(c, &carving)
    _ = PageTable(c, &carving)
    return (carving.end + 4095) & ~4095
  }

  @inlinable public var node: NodeID { fabric.node }
  @inlinable var nodeCount: Int { configuration.nodeCount }
  @inlinable var control: UnsafeMutableRawPointer { fabric.memory.control }

  @inlinable
  func isOn(_ mutation: Mutation) -> Bool { E.M.isOn(mutation) }

  @inlinable
  func frame(_ page: Int) -> UnsafeMutableRawPointer {
    fabric.memory.frames + page << configuration.pageShift
  }

  @inlinable
  func byteCount(_ unit: Unit) -> Int { unit.count << configuration.pageShift }

  /// Operations on a page share a lane, so that mark, READ, diff and closing READ stay in order.
  @inlinable
  func lane(_ page: Int) -> Int { (page >> 4) % fabric.laneCount }

  @inlinable
  func remote(_ peer: NodeID, _ offset: Int) -> RemoteAddress {
    fabric.controlMemory(of: peer).advanced(by: offset)
  }

  /// Throws where the job is over for this node: another one is lost, or an operation has failed. On entry of whatever orders
  /// memory or reaches another node, and in every wait: the fabric may let operations on a dead node's memory succeed for
  /// ever. So does a word that no node can have written where it stopped something in the middle (`kept`). A connection that failed once does so for ever, and what the operation was to bring about has not happened: the
  /// successor of a lock was not told, or a notice not placed. So every thread's waits end, with what the first one was told.
  @inlinable @inline(__always)
  public func checkPeers() throws(EngineError) {
    let lost = execution.lostPeer
    let failed = local.failed.load()
    if lost >= 0 || failed != 0 { try sayOver(lost, failed) }
  }

  @inlinable @inline(never)
  func sayOver(_ lost: Int32, _ failed: UInt64) throws(EngineError) {
    if lost >= 0 { throw .fabric(FabricFailure(reason: .peerLost, peer: lost)) }
    throw .fabric(failure(failed))
  }

  @inlinable
  func failure(_ word: UInt64) -> FabricFailure {
    var failure = FabricFailure(
      reason: .completionError, peer: Int32(truncatingIfNeeded: word & 0xFFFF) - 1,
      status: Int32(truncatingIfNeeded: word >> 16))
    if word >> 48 == Self.keptRegistration { failure.reason = .registrationFailed }
    if word >> 48 == Self.keptBadWord {
      failure.reason = .badWord
      failure.value = local.failedValue.loadRelaxed()
    }
    return failure
  }

  /// In the highest bits of `local.failed`, where a flight's failure has zeros.
  @inlinable static var keptBadWord: UInt64 { 1 }
  @inlinable static var keptRegistration: UInt64 { 2 }

  /// Keeps what stopped a round, a barrier or an acquire in the middle: what was held there stays held, and nobody may go on
  /// as if it had been done. From here on every call of this node says the same. Returns the error.
  @inlinable
  func kept(_ error: EngineError) -> EngineError {
    guard case .fabric(let failure) = error,
      failure.reason == .badWord || failure.reason == .registrationFailed,
      local.failedClaim.compareExchange(0, 1)
    else { return error }
    let reason = failure.reason == .badWord ? Self.keptBadWord : Self.keptRegistration
    local.failedValue.storeRelaxed(failure.value)
    // Release, by the full barrier: pairs with the load of `failed` in `checkPeers`; the value is there before it.
    _ = local.failed.compareExchange(
      0,
      reason << 48 | UInt64(UInt32(bitPattern: failure.status)) << 16
        | UInt64(UInt32(bitPattern: failure.peer &+ 1)) & 0xFFFF)
    return error
  }

  /// Whether the job is over for this node: see `checkPeers`.
  @inlinable public var isOver: Bool { execution.lostPeer >= 0 || local.failed.load() != 0 }

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
    let word = flight.failure.load()
    if word != 0 {
      flight.failure.store(0)
      let failure = failure(word)
      try explain(failure)
      // The first one stays, for whoever comes or waits.
      _ = local.failed.compareExchange(0, word)
      throw .fabric(failure)
    }
  }

  /// Throws what lies behind a failure, if anything: a node that dies takes its ends of the connections with it, and the
  /// fabric may see that before the launcher has told it. Who has left is what the user has to know, so a
  /// failure at another node waits a little for the news. Nothing goes on behind it.
  @inlinable
  func explain(_ failure: FabricFailure) throws(EngineError) {
    if failure.status > 0 && Int(failure.peer) != node {
      let start = execution.nowNanoseconds()
      var backoff = Backoff()
      while execution.nowNanoseconds() &- start < 500_000_000 {
        try checkPeers()
        execution.pause(&backoff)
      }
    }
  }
}
