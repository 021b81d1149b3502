import Platform

/// Where things lie in a node's control memory: the same on every node, so that an offset and the
/// owner's base address name a word of any node.
@frozen
public struct ControlLayout: BitwiseCopyable, Sendable {
  /// Position up to which the interval log is written; the next word is its floor. Peers READ both at once.
  public let logHead: Int
  public let logFloor: Int
  /// Node 0's count of freed ranges; the ring follows at `retireRing`, an entry of two words each.
  public let retireHead: Int
  public let retireRing: Int
  public let logRing: Int
  public let directory: Int
  /// A byte a chunk: not zero where a directory word of this shard may be.
  public let claimMarks: Int
  public let marks: Int
  public let blockMarks: Int
  public let chunkKeys: Int
  public let lockRecords: Int
  public let lockRecordByteCount: Int
  public let lockSlots: Int
  public let lockSlotByteCount: Int
  public let inboxes: Int
  public let inboxByteCount: Int
  public let stagings: Int
  public let epochBuffers: Int
  public let epochBufferByteCount: Int
  public let workspaces: Int
  public let workspaceByteCount: Int
  /// Buffers used under the node's commit lock only: log ranges read, and pages read aside.
  public let noticeBuffer: Int
  public let noticeBufferEntryCount: Int
  public let scratchPages: Int
  /// A block's worth of bytes that are 1: the source of the marks of neighbouring pages.
  public let ones: Int
  /// For the layers above: `upperByteCount` bytes as they like.
  public let upper: Int
  public let upperByteCount: Int
  public let byteCount: Int

  /// Pages whose share marks one block mark sums up, and that lie together in one directory shard.
  @inlinable public static var blockShift: Int { 6 }
  @inlinable public static var blockPageCount: Int { 1 << blockShift }
  /// The end of the block that `page` is in.
  @inlinable public static func blockEnd(_ page: Int) -> Int { (page | (blockPageCount - 1)) + 1 }
  /// Blocks that a release looks at together: one bit of `LocalState.exclusiveGroups`, one cache line of block marks.
  @inlinable public static var groupBlockCount: Int { 64 }
  static func groupCount(_ c: Configuration) -> Int { (c.blockCount + groupBlockCount - 1) / groupBlockCount }
  @inlinable public static var retireEntryCount: Int { 256 }
  /// First page and number of pages.
  @inlinable public static var retireEntryByteCount: Int { 16 }
  @inlinable public static var workspaceResultCount: Int { 80 }

  public init(_ c: Configuration, upperByteCount: Int = 0) {
    var carving = Carving()
    let shardBlocks = (c.blockCount + c.nodeCount - 1) / c.nodeCount
    let locksHere = (c.lockCount + c.nodeCount - 1) / c.nodeCount
    logHead = carving.offset(64)
    logFloor = logHead + 8
    retireHead = carving.offset(64)
    retireRing = carving.offset(Self.retireEntryCount * Self.retireEntryByteCount)
    logRing = carving.offset(c.logEntryCount * 8)
    directory = carving.offset(shardBlocks * Self.blockPageCount * 8)
    claimMarks = carving.offset(c.chunkCount)
    marks = carving.offset(c.blockCount * Self.blockPageCount)
    // Read a group at a time.
    blockMarks = carving.offset(Self.groupCount(c) * Self.groupBlockCount)
    chunkKeys = carving.offset(c.chunkCount * 8)
    lockRecordByteCount = (64 + c.clockByteCount + 63) & ~63
    lockRecords = carving.offset(locksHere * lockRecordByteCount)
    lockSlotByteCount = (64 + c.clockByteCount + 63) & ~63
    lockSlots = carving.offset(c.allSlotCount * lockSlotByteCount)
    inboxByteCount = (64 + c.clockByteCount + 63) & ~63
    inboxes = carving.offset(2 * c.roundCount * inboxByteCount)
    stagings = carving.offset(c.roundCount * inboxByteCount)
    epochBufferByteCount = (64 + c.epochEntryCount * 8 + 63) & ~63
    epochBuffers = carving.offset(3 * epochBufferByteCount)
    workspaceByteCount = (64 + Self.workspaceResultCount * 8 + c.clockByteCount * 2 + 64 + 63) & ~63
    workspaces = carving.offset(c.workspaceCount * workspaceByteCount)
    noticeBufferEntryCount = max(c.epochEntryCount + 8, 4 * c.nodeCount)
    noticeBuffer = carving.offset(noticeBufferEntryCount * 8)
    scratchPages = carving.offset(2 << c.pageShift)
    ones = carving.offset(Self.blockPageCount)
    upper = carving.offset(upperByteCount)
    self.upperByteCount = upperByteCount
    byteCount = carving.offset(0, align: 4096)
  }
}
