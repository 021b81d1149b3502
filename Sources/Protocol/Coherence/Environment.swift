import Fabric
import Platform

/// What a view of a page allows. The raw values are ordered: more allows more.
@frozen
public enum Access: UInt8, BitwiseCopyable, Sendable, Comparable {
  case none = 0
  case read = 1
  case readWrite = 2

  @inlinable public static func < (a: Access, b: Access) -> Bool { a.rawValue < b.rawValue }
}

/// Sets what the application may do with pages. Pages are base pages of the global address space
/// (`Configuration.pageByteCount` each), not coherence units.
///
/// Both calls are async-signal-safe and are made while the lock bits of the pages' units are held,
/// so that for one page they never run at once. An implementation may lower a page
/// on its own at any time (the next access faults and is raised again); it never raises on its own.
public protocol Protection: BitwiseCopyable, Sendable {
  /// In every view: nothing above `access` is allowed on these pages once this returns.
  func lower(_ pages: PageRange, to access: Access)
  /// In the view through which the access came; a view's own limit (a read-only view) caps it.
  func raise(_ pages: PageRange, to access: Access, in view: ViewID)
  /// While pages are pinned they are never lowered on the implementation's own account, so that a
  /// system call finds them accessible. Not called on the fault path.
  func setPinned(_ pages: PageRange, _ pinned: Bool)
  /// These pages belong to nobody any more: gives the memory of their frames back. They read as
  /// zeros afterwards. Not called on the fault path.
  func discardFrames(_ pages: PageRange)
}

/// How code of the protocol runs: waiting, time, and being left alone by signals.
public protocol Execution: BitwiseCopyable, Sendable {
  /// One step of a wait for a word that another thread or node will change.
  func pause(_ backoff: inout Backoff)
  /// Nothing in production; the simulator may run somebody else here. `site` tells the places apart.
  func interleave(_ site: Int)
  /// Blocks all signals of this thread; returns what `leaveCritical` wants back.
  func enterCritical() -> UInt64
  func leaveCritical(_ saved: UInt64)
  /// Has `Engine.serveChunkRequests` called soon, by a thread of this node that is in no signal handler.
  func wakeService()
  /// Never zero, and of one thread of this node at a time.
  var threadID: UInt32 { get }
  func nowNanoseconds() -> UInt64
  /// Node that left the job early, -1 while all are there. Every wait looks at it.
  var lostPeer: Int32 { get }
  /// Says what is wrong, and ends the process; in the simulator the run, which has failed.
  func stop(_ violation: Violation) -> Never
}

/// Rules of the protocol that a test switches off to see the simulator find it. `NoMutations` in
/// production, where every test of a mutation folds to a constant.
public enum Mutation: Int, CaseIterable, Sendable {
  case markAfterRead
  case noPoison
  case noGroupCommit
  case bitNotHeldOverDiff
  case noClosingRead
  case clockRaisedFirst
  case markNotLookedAtAgain
  case exchangeWithoutBarriers
  case movesWithoutGate
  case moveWithoutFetch
  case diffCoversUnchangedByte
  case unlockBeforeFlush
  case overflowNoticeLost
  case exclusiveWithoutOwnNotice
  case keepDirtyOnNotice
  case freeWithoutReset
  /// The sets of a barrier are taken for all that the merged clock covers.
  case barrierIgnoresSeals
  /// A claim zeroes the frame of a wished home, for which others may have claimed before.
  case claimZeroesWishedFrame
  /// A node's own atomics do not reach its pinned copy.
  case atomicsPassByPinnedCopy
  /// A page moves away from a home that has pinned it for writing.
  case pinnedHomeMoves
  /// A release waits for a lock bit with a batch open.
  case releaseWaitsInBatch
  /// Zeros become a dirty copy without their chunk's registration.
  case twinWithoutRegistration
  /// Of the pages that one READ brings only the first is marked.
  case windowMarksFirstOnly
  /// A barrier's message is read when its first word has come.
  case barrierTrustsFirstWord
  /// A release does not look where a page became exclusive.
  case exclusivePlaceForgotten
  /// The service registers a chunk whenever it is asked to.
  case chunkRegisteredTwice
  /// Page words are zeroed while other threads of the node are in the middle of rounds.
  case forgettingWithoutGate
  /// A page that the last barrier forgot moves at this one.
  case forgottenPagesMove
  /// A chunk that a node knows only from a move is not looked at when it is freed.
  case moveLeavesUntouched
  /// Whoever holds a shard of the directory is not told where words of it are claimed.
  case claimNotAnnounced
  /// The stamp that says in which epoch a page was noted has 32 bits.
  case epochStampOf32Bits
  /// A release that skips its round looks at the commit lock before the lists.
  case commitLockLookedAtFirst
  /// It does not look where exclusive pages were fetched.
  case skipIgnoresMarks
  /// A pinned page is listed again behind its snapshot.
  case pinnedListedLate
  /// It does not look whether a round is under way.
  case skipIgnoresRounds
  /// A page at home that stays writable in a release is not noticed.
  case inPlaceWithoutNotice
  /// Pages that were claimed with their neighbour are not on the dirty list.
  case runNotListed
  /// They are exclusive at once.
  case runExclusiveAtOnce
  /// The twin of a hot page is taken from a second look at the frame.
  case hotTwinFromSecondLook
  /// A notice of a hot page is passed by.
  case hotNotRefreshed
  /// It is brought in without a mark at its home.
  case hotRefreshedWithoutMark
  /// What others changed is what differs from the frame.
  case hotMergedWithFrame
  /// What others changed does not go into the twin.
  case hotTwinNotUpdated
  /// A hot page that was found unchanged becomes clean without another look behind its protection.
  case hotCoolsWritable
  /// It is refreshed while its home may have forgotten it.
  case hotRefreshedWhileForgetting
  /// A hot page at home that is as it was is not noticed.
  case hotHomeUnnoticed
}

public protocol MutationSet: Sendable {
  static func isOn(_ mutation: Mutation) -> Bool
}

public enum NoMutations: MutationSet {
  @inlinable @inline(__always)
  public static func isOn(_ mutation: Mutation) -> Bool { false }
}

/// The five things that the engine is generic over.
public protocol Environment: Sendable {
  associatedtype F: Fabric
  associatedtype P: Protection
  associatedtype X: Execution
  associatedtype M: MutationSet
  associatedtype W: MemoryAccess
}
