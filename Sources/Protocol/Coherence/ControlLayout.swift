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
  /// Blocks that a release looks at together: one bit of `LocalState.exclusiveGroups`, one cache line of block marks.
  @inlinable public static var groupBlockCount: Int { 64 }
  static func groupCount(_ blocks: Int) -> Int { (blocks + groupBlockCount - 1) / groupBlockCount }
  @inlinable public static var retireEntryCount: Int { 256 }
  /// First page and number of pages.
  @inlinable public static var retireEntryByteCount: Int { 16 }
  @inlinable public static var workspaceResultCount: Int { 80 }

  public init(_ c: Configuration, upperByteCount: Int = 0) {
    var end = 0
    func take(_ bytes: Int, align: Int = 64) -> Int {
      let start = (end + align - 1) & ~(align - 1)
      end = start + bytes
      return start
    }
    let blocks = (c.pageCount + (1 << Self.blockShift) - 1) >> Self.blockShift
    let shardBlocks = (blocks + c.nodeCount - 1) / c.nodeCount
    let locksHere = (c.lockCount + c.nodeCount - 1) / c.nodeCount
    logHead = take(64)
    logFloor = logHead + 8
    retireHead = take(64)
    retireRing = take(Self.retireEntryCount * Self.retireEntryByteCount)
    logRing = take(c.logEntryCount * 8)
    directory = take(shardBlocks << (Self.blockShift + 3))
    claimMarks = take(c.chunkCount)
    marks = take(blocks << Self.blockShift)
    // Read a group at a time.
    blockMarks = take(Self.groupCount(blocks) * Self.groupBlockCount)
    chunkKeys = take(c.chunkCount * 8)
    lockRecordByteCount = (64 + c.clockByteCount + 63) & ~63
    lockRecords = take(locksHere * lockRecordByteCount)
    lockSlotByteCount = (64 + c.clockByteCount + 63) & ~63
    lockSlots = take(c.allSlotCount * lockSlotByteCount)
    inboxByteCount = (64 + c.clockByteCount + 63) & ~63
    inboxes = take(2 * c.roundCount * inboxByteCount)
    stagings = take(c.roundCount * inboxByteCount)
    epochBufferByteCount = (64 + c.epochEntryCount * 8 + 63) & ~63
    epochBuffers = take(3 * epochBufferByteCount)
    workspaceByteCount = (64 + Self.workspaceResultCount * 8 + c.clockByteCount * 2 + 64 + 63) & ~63
    workspaces = take(c.workspaceCount * workspaceByteCount)
    noticeBufferEntryCount = max(c.epochEntryCount + 8, 4 * c.nodeCount)
    noticeBuffer = take(noticeBufferEntryCount * 8)
    scratchPages = take(2 << c.pageShift, align: 64)
    ones = take(1 << Self.blockShift)
    upper = take(upperByteCount)
    self.upperByteCount = upperByteCount
    byteCount = take(0, align: 4096)
  }
}
