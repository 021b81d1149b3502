/// The sizes that all nodes of a job agree on when they join.
@frozen
public struct Configuration: BitwiseCopyable, Sendable, Equatable {
  /// Nodes of the job, 1...1024.
  public var nodeCount: Int
  /// log2 of the bytes of a base page: the finest coherence unit, at least 16 bytes (in the simulator).
  public var pageShift: Int
  /// Pages of the global address space; a whole number of chunks.
  public var pageCount: Int
  /// log2 of the pages of a chunk, the unit of registration.
  public var chunkShift: Int
  /// Entries of a node's interval log; a power of two.
  public var logEntryCount: Int
  /// Synchronisation objects (locks, events, ...) of the whole job.
  public var lockCount: Int
  /// Locks that the program's threads of one node may hold or wait for at a time; see `Slots`.
  public var lockSlotCount: Int
  /// Slots of a node for the moments in which objects' words are changed; more threads wait for one another.
  public var momentSlotCount: Int
  /// Entries (ranges) of the set of pages that a node wrote between two barriers. More than that,
  /// and no page moves at the barrier.
  public var epochEntryCount: Int
  /// Units that may move at one barrier.
  public var moveCount: Int
  /// Threads of a node that may be inside the engine at a time; more wait for one another.
  public var workspaceCount: Int
  /// Segments (shapes of page ranges) known to a node at a time.
  public var shapeCount: Int
  /// What sequential page faults bring along at most, behind the page itself.
  public var readAhead: WindowLimit
  /// What a prefetch brings in at a time.
  public var prefetch: WindowLimit
  /// What sequential first writes claim together at most.
  public var claimRun: WindowLimit
  /// What sequential write faults make writable at most, behind the page itself.
  public var writeAhead: WindowLimit
  /// Barriers that a page stays where it has moved to: one that two nodes write in turn would move at each.
  public var moveRest: Int
  /// Copies that a node leaves writable at most in a release, since it writes them all the time; 0: none.
  public var hotPageCount: Int
  /// What may be left out without any result being different: each is there for speed.
  public var mechanisms: Mechanisms
  /// Times that threads of a node pass a lock among themselves before another node gets it.
  public var localPassLimit: Int

  public init(nodeCount: Int, pageCount: Int) {
    self.nodeCount = nodeCount
    self.pageCount = pageCount
    pageShift = 12
    chunkShift = 9
    logEntryCount = 16_384
    lockCount = 65_536
    lockSlotCount = 256
    momentSlotCount = 32
    epochEntryCount = 4_096
    moveCount = 16_384
    workspaceCount = 32
    shapeCount = 1_024
    readAhead = WindowLimit(byteCount: 128 << 10)
    prefetch = WindowLimit(byteCount: 2 << 20)
    claimRun = WindowLimit(byteCount: 256 << 10)
    writeAhead = WindowLimit(byteCount: 128 << 10)
    moveRest = 8
    hotPageCount = 256
    mechanisms = .all
    localPassLimit = 16
  }

  /// Locks that the library keeps for itself, from number 0 on: each has a slot of its own on each node.
  @inlinable public static var libraryLockCount: Int { 8 }
  /// The slots of a node, of all kinds.
  @inlinable public var allSlotCount: Int { lockSlotCount + momentSlotCount + Self.libraryLockCount }

  @inlinable public var pageByteCount: Int { 1 << pageShift }
  @inlinable public var capacityByteCount: Int { pageCount << pageShift }
  @inlinable public var chunkPageCount: Int { 1 << chunkShift }
  @inlinable public var chunkCount: Int { pageCount >> chunkShift }
  /// Blocks of pages that share a block mark; the last one may be shorter.
  @inlinable public var blockCount: Int {
    (pageCount + ControlLayout.blockPageCount - 1) >> ControlLayout.blockShift
  }
  /// log2 of the pages of what lies in one chunk and in one block of the directory.
  @inlinable public var claimShift: Int { min(chunkShift, ControlLayout.blockShift) }
  @inlinable public var clockByteCount: Int { nodeCount * 8 }
  /// Rounds of a dissemination over all nodes: ceil(log2 nodeCount).
  @inlinable
  public var roundCount: Int {
    nodeCount <= 1 ? 0 : Int.bitWidth - (nodeCount - 1).leadingZeroBitCount
  }
}

/// Mechanisms of a node that make programs faster and change no result. They can be switched off, to see what
/// each is good for; nodes of a job need not agree.
@frozen
public struct Mechanisms: OptionSet, BitwiseCopyable, Sendable {
  public let rawValue: UInt64

  @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// A page at home that nobody has fetched stays writable in a release (`Release`).
  @inlinable public static var exclusiveAtRelease: Mechanisms { Mechanisms(rawValue: 1 << 0) }
  /// The neighbours of a page that is written first are claimed with it (`ClaimRun`).
  @inlinable public static var claimRuns: Mechanisms { Mechanisms(rawValue: 1 << 1) }
  /// A job of one node protects nothing that it has touched.
  @inlinable public static var alone: Mechanisms { Mechanisms(rawValue: 1 << 2) }
  /// Write faults in order take the pages behind along (`WriteAhead`).
  @inlinable public static var writeAhead: Mechanisms { Mechanisms(rawValue: 1 << 3) }
  /// A lock whose home is mapped, and that nobody else wants, is taken without the fabric (`LockInPlace`).
  @inlinable public static var locksInPlace: Mechanisms { Mechanisms(rawValue: 1 << 4) }

  /// Pages that this node writes behind each release stay writable (`HotPages`).
  @inlinable public static var hotPages: Mechanisms { Mechanisms(rawValue: 1 << 5) }

  @inlinable public static var all: Mechanisms { Mechanisms(rawValue: (1 << 6) - 1) }
}

/// How much is fetched together, in bytes: the time that a window takes, and what it costs where nobody looks
/// at it, do not depend on how its pages are cut into units.
@frozen
public struct WindowLimit: BitwiseCopyable, Sendable, Equatable {
  public var byteCount: Int

  @inlinable
  public init(byteCount: Int) { self.byteCount = byteCount }

  /// Units that are fetched together at most, whatever the bytes: a word has a bit for each.
  @inlinable public static var longestUnitCount: Int { 64 }

  /// The whole units of `unitByteCount` that the limit has room for.
  @inlinable
  public func unitCount(_ unitByteCount: Int) -> Int {
    min(byteCount / unitByteCount, Self.longestUnitCount)
  }
}
