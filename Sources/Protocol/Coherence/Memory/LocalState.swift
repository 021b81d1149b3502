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
  /// A byte a chunk: not zero where a page of it is, or has been, anything but untouched on this node
  /// (`touch`).
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
    exclusiveWordCount = (ControlLayout.groupCount(c) + 63) / 64
    exclusiveGroups = carving.take(exclusiveWordCount * 8)
    touchedChunks = carving.take((c.chunkCount + 7) & ~7)
    announcedClaims = carving.take(c.pageCount >> c.claimShift)
    forgotten = carving.take(ControlLayout.retireEntryCount * 16)
    counters = carving.take(Counter.allCases.count * 64)
    words = carving.take(Word.allCases.count * 64)
    chunkCount = c.chunkCount
  }

  /// Words of this node, a cache line each.
  @frozen
  @usableFromInline
  enum Word: Int, CaseIterable {
    case commitLock, roundsBegun, roundsFinished
    case gateClosed, inside, workspaceUse
    case epoch, disseminations, moveCount, barrierBusy
    case chunkRequestCount, streamClock, waiting
    case retireApplied, retireReusable, forgottenCount
    case failed, failedValue
  }

  @inlinable func word(_ word: Word) -> AtomicWord { AtomicWord(words + word.rawValue &* 64) }

  @inlinable var commitLock: AtomicWord { word(.commitLock) }
  @inlinable var roundsBegun: AtomicWord { word(.roundsBegun) }
  @inlinable var roundsFinished: AtomicWord { word(.roundsFinished) }
  @inlinable var gateClosed: AtomicWord { word(.gateClosed) }
  @inlinable var inside: AtomicWord { word(.inside) }
  @inlinable var workspaceUse: AtomicWord { word(.workspaceUse) }
  /// Barriers passed; the epoch between two is their count.
  @inlinable var epoch: AtomicWord { word(.epoch) }
  /// Disseminations done: barriers and the rounds of migration.
  @inlinable var disseminations: AtomicWord { word(.disseminations) }
  @inlinable var chunkRequestCount: AtomicWord { word(.chunkRequestCount) }
  @inlinable var retireApplied: AtomicWord { word(.retireApplied) }
  @inlinable var streamClock: AtomicWord { word(.streamClock) }
  @inlinable var moveCount: AtomicWord { word(.moveCount) }
  /// Freed ranges whose addresses may be used again: all up to this position.
  @inlinable var retireReusable: AtomicWord { word(.retireReusable) }
  @inlinable var barrierBusy: AtomicWord { word(.barrierBusy) }
  /// Threads of this node that wait for a lock or for a grant.
  @inlinable var waiting: AtomicWord { word(.waiting) }
  /// Entries of `forgotten`. Used by the barrier's thread only.
  @inlinable var forgottenCount: AtomicWord { word(.forgottenCount) }
  /// The first failure of this node's own (`keep`); 0 for none.
  @inlinable var failed: AtomicWord { word(.failed) }
  /// Of a failure that is a bad word, what the word says.
  @inlinable var failedValue: AtomicWord { word(.failedValue) }

  @inlinable func touchedChunk(_ chunk: Int) -> AtomicByte { AtomicByte(touchedChunks + chunk) }
  @inlinable func announcedClaim(_ piece: Int) -> AtomicByte { AtomicByte(announcedClaims + piece) }
  @inlinable func exclusiveGroupWord(_ index: Int) -> AtomicWord { AtomicWord(exclusiveGroups + index &* 8) }
  @inlinable func applied(_ node: Int) -> AtomicWord { AtomicWord(applied + node &* 8) }

  @inlinable
  func peerKey(_ peer: Int, _ chunk: Int) -> UnsafeMutablePointer<UInt32> {
    (peerKeys + (peer &* chunkCount + chunk) &* 4).assumingMemoryBound(to: UInt32.self)
  }
}

/// The private memory of a node's engine.
struct LocalMemory {
  let state: LocalState
  let pages: PageTable
  /// Whole pages of the system.
  let byteCount: Int

  /// Carves both out of the zeroed memory at `base`; `nil`: says how much they need, and they are not to be
  /// used.
  init(_ c: Configuration, at base: UnsafeMutableRawPointer?) {
    var carving = Carving(base)
    state = LocalState(c, &carving)
    pages = PageTable(c, &carving)
    byteCount = (carving.end + 4095) & ~4095
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
