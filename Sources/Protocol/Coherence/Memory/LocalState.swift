import Fabric
import Platform

/// This node's private state beside the page table: clocks, the commit lock, the gate, the local halves
/// of the locks, counters.
@frozen
public struct LocalState<W: MemoryAccess>: BitwiseCopyable, @unchecked Sendable {
  /// Position in each node's log up to which its notices are applied here.
  @usableFromInline let applied: WordTable<W, NodeKind>
  /// Where each node's control memory is mapped here (`Fabric.controlMapping`), 0 where it is not. Written
  /// when the engine is made.
  @usableFromInline let controlMappings: WordTable<W, NodeKind>
  /// The merged clock of the last barrier, and room for the one under way.
  @usableFromInline let barrierClock: Clock<W>
  @usableFromInline let mergedClock: Clock<W>
  /// The peers' chunk keys, cached; 0 = not known yet.
  @usableFromInline let peerKeys: SharedWords<W>
  /// What the service thread is asked to register (`ChunkRequest`), a word a chunk.
  @usableFromInline let chunkRequests: WordTable<W, ChunkKind>
  @usableFromInline let localLocks: UnsafeMutableRawPointer
  /// A bit for each slot that is taken.
  @usableFromInline let slotUse: SharedWords<W>
  /// The lock that each slot was last taken for.
  @usableFromInline let slotLocks: SharedWords<W>
  /// A bit for each connection that diffs went out on in this round.
  @usableFromInline let usedLanes: SharedWords<W>
  @usableFromInline let streams: UnsafeMutableRawPointer
  @usableFromInline let moves: UnsafeMutableRawPointer
  /// A bit for each group of blocks in which this node may have exclusive pages. Bits are never cleared.
  @usableFromInline let exclusiveGroups: SharedWords<W>
  @usableFromInline let exclusiveGroupParts: Parts
  /// A byte a chunk: not zero where a page of it is, or has been, anything but untouched on this node
  /// (`touch`).
  @usableFromInline let touchedChunks: ByteTable<W, ChunkKind>
  /// A byte for each piece of the directory (`claimShift`) in which this node's claims are announced already.
  @usableFromInline let announcedClaims: ByteTable<W, PieceKind>
  /// The ranges that the last barrier forgot, `forgottenCount` of them.
  @usableFromInline let forgotten: UnsafeMutableRawPointer
  @usableFromInline let counters: SpacedWords<W>
  @usableFromInline let words: SpacedWords<W>
  @usableFromInline let chunkCount: Int

  /// Streams of read faults, and as many of write faults.
  @inlinable static var streamCount: Int { 32 }

  init(_ c: Configuration, _ carving: inout Carving) {
    func words(_ count: Int) -> SharedWords<W> { SharedWords(carving.take(count * SharedWords<W>.stride)) }
    func table<Kind>(_ count: Int) -> WordTable<W, Kind> {
      WordTable(carving.take(count * SharedWords<W>.stride))
    }
    func bits(_ count: Int) -> SharedWords<W> { words((count + 63) / 64) }
    func spaced(_ count: Int) -> SpacedWords<W> { SpacedWords(carving.take(count * SpacedWords<W>.stride)) }
    applied = table(c.nodeCount)
    controlMappings = table(c.nodeCount)
    barrierClock = Clock(carving.take(c.clockByteCount))
    mergedClock = Clock(carving.take(c.clockByteCount))
    peerKeys = words(c.chunkCount * c.nodeCount)
    chunkRequests = table(c.chunkCount)
    localLocks = carving.take(c.lockCount * LocalLock<W>.byteCount)
    slotUse = bits(c.allSlotCount)
    slotLocks = words(c.allSlotCount)
    usedLanes = bits(c.nodeCount * Self.laneLimit)
    streams = carving.take(2 * Self.streamCount * StreamRecord<W>.byteCount)
    moves = carving.take(c.moveCount * MoveRecord<W>.byteCount)
    exclusiveGroupParts = Parts(wordCount: (ControlLayout.groupCount(c) + 63) / 64)
    exclusiveGroups = words(exclusiveGroupParts.wordCount)
    touchedChunks = ByteTable(carving.take((c.chunkCount + 7) & ~7))
    announcedClaims = ByteTable(carving.take(c.pageCount >> c.claimShift))
    forgotten = carving.take(ControlLayout.retireEntryCount * ForgottenRecord<W>.byteCount)
    counters = spaced(Counter.allCases.count)
    self.words = spaced(Word.allCases.count)
    chunkCount = c.chunkCount
  }

  /// Connections per peer at most (`Fabric.laneCount`).
  @inlinable static var laneLimit: Int { 4 }

  /// Words of this node, a cache line each.
  @frozen
  @usableFromInline
  enum Word: Int, CaseIterable {
    case commitLock, roundsBegun, roundsFinished
    case gateClosed, inside, workspaceUse
    case epoch, disseminations, moveCount, barrierBusy
    case chunkRequestCount, streamClock, waiting, refreshesHeld
    case retireApplied, retireReusable, forgottenCount
    case exclusiveParts
    case failed, failedValue
  }

  @inlinable func word(_ word: Word) -> SharedWord<W> { words[word.rawValue] }

  @inlinable var commitLock: SharedWord<W> { word(.commitLock) }
  @inlinable var roundsBegun: SharedWord<W> { word(.roundsBegun) }
  @inlinable var roundsFinished: SharedWord<W> { word(.roundsFinished) }
  @inlinable var gateClosed: SharedWord<W> { word(.gateClosed) }
  @inlinable var inside: SharedWord<W> { word(.inside) }
  @inlinable var workspaceUse: SharedWord<W> { word(.workspaceUse) }
  /// Barriers passed; the epoch between two is their count.
  @inlinable var epoch: SharedWord<W> { word(.epoch) }
  /// Disseminations done: barriers and the rounds of migration.
  @inlinable var disseminations: SharedWord<W> { word(.disseminations) }
  @inlinable var chunkRequestCount: SharedWord<W> { word(.chunkRequestCount) }
  @inlinable var retireApplied: SharedWord<W> { word(.retireApplied) }
  /// 1 while a barrier may be forgetting pages that this node does not know of yet (`HotPages`).
  @inlinable var refreshesHeld: SharedWord<W> { word(.refreshesHeld) }
  @inlinable var streamClock: SharedWord<W> { word(.streamClock) }
  @inlinable var moveCount: SharedWord<W> { word(.moveCount) }
  /// Freed ranges whose addresses may be used again: all up to this position.
  @inlinable var retireReusable: SharedWord<W> { word(.retireReusable) }
  @inlinable var barrierBusy: SharedWord<W> { word(.barrierBusy) }
  /// Threads of this node that wait for a lock or for a grant.
  @inlinable var waiting: SharedWord<W> { word(.waiting) }
  /// Entries of `forgotten`. Used by the barrier's thread only.
  @inlinable var forgottenCount: SharedWord<W> { word(.forgottenCount) }
  /// The first failure of this node's own (`keep`); 0 for none.
  @inlinable var failed: SharedWord<W> { word(.failed) }
  /// Of a failure that is a bad word, what the word says.
  @inlinable var failedValue: SharedWord<W> { word(.failedValue) }

  @inlinable func touchedChunk(_ chunk: Chunk) -> SharedByte<W> { touchedChunks[chunk] }
  @inlinable func announcedClaim(_ piece: Piece) -> SharedByte<W> { announcedClaims[piece] }
  @inlinable func exclusiveGroupWord(_ index: Int) -> SharedWord<W> { exclusiveGroups[index] }
  /// The parts of `exclusiveGroups` that have a bit.
  @inlinable var exclusiveParts: SharedWord<W> { word(.exclusiveParts) }
  @inlinable func applied(_ node: NodeID) -> SharedWord<W> { applied[node] }
  @inlinable func peerKey(_ peer: NodeID, _ chunk: Chunk) -> SharedWord<W> {
    peerKeys[peer.number &* chunkCount &+ chunk.number]
  }
  @inlinable
  func localLock(_ id: Int) -> LocalLock<W> { LocalLock(localLocks + id &* LocalLock<W>.byteCount) }
  @inlinable
  func move(_ index: Int) -> MoveRecord<W> { MoveRecord(moves + index &* MoveRecord<W>.byteCount) }
  @inlinable
  func forgottenRecord(_ index: Int) -> ForgottenRecord<W> {
    ForgottenRecord(forgotten + index &* ForgottenRecord<W>.byteCount)
  }
  @inlinable
  func stream(_ index: Int) -> StreamRecord<W> { StreamRecord(streams + index &* StreamRecord<W>.byteCount) }
}

/// The private memory of a node's engine.
struct LocalMemory<W: MemoryAccess> {
  let state: LocalState<W>
  let pages: PageTable<W>
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
  case exclusivePages, hotPages, pagesMovedHere, pagesMovedAway
  case releases, acquires, barriers
  case lockAcquires, lockLocalHandOvers, lockRemoteWaits
  case atomics
}

extension Engine {
  /// The count so far; exact for what happened before the call.
  @inlinable
  public func count(_ counter: Counter) -> UInt64 {
    local.counters[counter.rawValue].loadRelaxed()
  }

  @inlinable
  func add(_ counter: Counter, _ amount: Int = 1) {
    local.counters[counter.rawValue].fetchAdd(UInt64(truncatingIfNeeded: amount))
  }
}
