import Platform

/// This node's private state beside the page table: clocks, the commit lock, the gate, the local halves
/// of the locks, counters.
@frozen
public struct LocalState: BitwiseCopyable, @unchecked Sendable {
  /// Position in each node's log up to which its notices are applied here; one word a node.
  @usableFromInline let applied: UnsafeMutableRawPointer
  /// The merged clock of the last barrier, and room for the one under way.
  @usableFromInline let barrierClock: UnsafeMutableRawPointer
  @usableFromInline let mergedClock: UnsafeMutableRawPointer
  /// The peers' chunk keys, cached; 4 bytes a chunk and peer, 0 = not known yet.
  @usableFromInline let peerKeys: UnsafeMutableRawPointer
  /// What the service thread is asked to register (`ChunkRequest`), a word a chunk.
  @usableFromInline let chunkRequests: UnsafeMutableRawPointer
  @usableFromInline let localLocks: UnsafeMutableRawPointer
  @usableFromInline let slotUse: UnsafeMutableRawPointer
  @usableFromInline let usedLanes: UnsafeMutableRawPointer
  @usableFromInline let streams: UnsafeMutableRawPointer
  @usableFromInline let moves: UnsafeMutableRawPointer
  /// A bit for each group of blocks in which this node may have exclusive pages. Bits are never cleared.
  @usableFromInline let exclusiveGroups: UnsafeMutableRawPointer
  @usableFromInline let exclusiveWordCount: Int
  /// A byte a chunk: not zero where a page of it is, or has been, anything but untouched on this node (`touch`).
  @usableFromInline let touchedChunks: UnsafeMutableRawPointer
  /// A byte for each piece of the directory (`claimShift`) in which this node's claims are announced already.
  @usableFromInline let announcedClaims: UnsafeMutableRawPointer
  /// The ranges that the last barrier forgot: first page and pages of each, `forgottenCount` of them.
  @usableFromInline let forgotten: UnsafeMutableRawPointer
  public let counters: UnsafeMutableRawPointer
  @usableFromInline let words: UnsafeMutableRawPointer
  @usableFromInline let chunkCount: Int

  @inlinable static var streamCount: Int { 16 }

  init(_ c: Configuration, _ carving: inout Carving) {
    applied = carving.take(c.clockByteCount)
    barrierClock = carving.take(c.clockByteCount)
    mergedClock = carving.take(c.clockByteCount)
    peerKeys = carving.take(c.chunkCount * c.nodeCount * 4)
    chunkRequests = carving.take(c.chunkCount * 8)
    localLocks = carving.take(c.lockCount * LocalLock.byteCount)
    slotUse = carving.take((c.allSlotCount + 63) / 64 * 8)
    usedLanes = carving.take((c.nodeCount * 4 + 63) / 64 * 8)
    streams = carving.take(Self.streamCount * 64)
    moves = carving.take(c.moveCount * 16)
    let blocks = (c.pageCount + (1 << ControlLayout.blockShift) - 1) >> ControlLayout.blockShift
    exclusiveWordCount = (ControlLayout.groupCount(blocks) + 63) / 64
    exclusiveGroups = carving.take(exclusiveWordCount * 8)
    touchedChunks = carving.take((c.chunkCount + 7) & ~7)
    announcedClaims = carving.take(c.pageCount >> c.claimShift)
    forgotten = carving.take(ControlLayout.retireEntryCount * 16)
    counters = carving.take(Counter.allCases.count * 64)
    words = carving.take(64 * 24)
    chunkCount = c.chunkCount
  }

  /// A cache line each.
  @inlinable func word(_ index: Int) -> AtomicWord { AtomicWord(words + index &* 64) }

  @inlinable var commitLock: AtomicWord { word(0) }
  @inlinable var roundsBegun: AtomicWord { word(1) }
  @inlinable var roundsFinished: AtomicWord { word(2) }
  @inlinable var gateClosed: AtomicWord { word(3) }
  @inlinable var inside: AtomicWord { word(4) }
  @inlinable var workspaceUse: AtomicWord { word(5) }
  /// Barriers passed; the epoch between two is their count.
  @inlinable var epoch: AtomicWord { word(6) }
  /// Disseminations done: barriers and the rounds of migration.
  @inlinable var disseminations: AtomicWord { word(7) }
  @inlinable var chunkRequestCount: AtomicWord { word(8) }
  @inlinable var retireApplied: AtomicWord { word(9) }
  @inlinable var streamClock: AtomicWord { word(10) }
  @inlinable var moveCount: AtomicWord { word(11) }
  /// Freed ranges whose addresses may be used again: all up to this position.
  @inlinable var retireReusable: AtomicWord { word(14) }
  @inlinable var barrierBusy: AtomicWord { word(15) }
  /// Threads of this node that wait for a lock or for a grant.
  @inlinable var waiting: AtomicWord { word(16) }
  /// Entries of `forgotten`. Used by the barrier's thread only.
  @inlinable var forgottenCount: AtomicWord { word(17) }
  /// The first failure of this node's own (`keep`); 0 for none.
  @inlinable var failed: AtomicWord { word(20) }
  /// Of a failure that is a bad word, what the word says.
  @inlinable var failedValue: AtomicWord { word(21) }

  @inlinable func touchedChunk(_ chunk: Int) -> AtomicByte { AtomicByte(touchedChunks + chunk) }
  @inlinable func announcedClaim(_ piece: Int) -> AtomicByte { AtomicByte(announcedClaims + piece) }
  @inlinable func exclusiveGroupWord(_ index: Int) -> AtomicWord { AtomicWord(exclusiveGroups + index &* 8) }
  @inlinable func applied(_ node: Int) -> AtomicWord { AtomicWord(applied + node &* 8) }

  @inlinable
  func peerKey(_ peer: Int, _ chunk: Int) -> UnsafeMutablePointer<UInt32> {
    (peerKeys + (peer &* chunkCount + chunk) &* 4).assumingMemoryBound(to: UInt32.self)
  }
}

/// What a node counts. Read by `Engine.count(_:)`.
public enum Counter: Int, CaseIterable, Sendable {
  case readFaults, writeFaults
  case pagesFetched, bytesFetched, readAheadPages
  case firstTouches, twins
  case diffsSent, diffBytes, diffRuns
  case noticesSent, noticesReceived, invalidations, logOverflows
  case exclusivePages, pagesMovedHere, pagesMovedAway
  case releases, acquires, barriers
  case lockAcquires, lockLocalHandOvers, lockRemoteWaits
  case atomics
}

extension Engine {
  /// The count so far; exact for what happened before the call.
  @inlinable
  public func count(_ counter: Counter) -> UInt64 {
    AtomicWord(local.counters + counter.rawValue * 64).loadRelaxed()
  }

  @inlinable
  func add(_ counter: Counter, _ amount: Int = 1) {
    AtomicWord(local.counters + counter.rawValue &* 64).fetchAdd(UInt64(truncatingIfNeeded: amount))
  }
}
