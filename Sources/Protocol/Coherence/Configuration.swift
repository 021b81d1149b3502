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
