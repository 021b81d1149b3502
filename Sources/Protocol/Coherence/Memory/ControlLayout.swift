import Fabric
import Platform

/// Where things lie in a node's control memory: the same on every node. The types of the places say who may
/// write there.
@frozen
public struct ControlLayout: BitwiseCopyable, Sendable {
  /// Position up to which the interval log is written; the next word is its floor. Peers READ both at once.
  public let logHead: OwnWord
  public let logFloor: OwnWord
  public let logRing: OwnWords
  /// Node 0's count of freed ranges, and behind it the ring of them.
  public let retireHead: LockedWords
  @usableFromInline let retireRing: Int
  /// This node's shard.
  public let directory: FabricWords
  /// A byte a chunk: not zero where a directory word of this shard may be.
  public let claimMarks: MailBytes<ChunkKind>
  public let marks: MailBytes<PageKind>
  public let blockMarks: MailBytes<BlockKind>
  @usableFromInline let chunkKeys: OwnWords
  @usableFromInline let lockRecords: Int
  @usableFromInline let lockSlots: Int
  @usableFromInline let inboxes: Int
  @usableFromInline let stagings: Int
  @usableFromInline let epochRecords: Int
  @usableFromInline let epochRecordByteCount: Int
  // What this node alone uses, in registered memory.
  @usableFromInline let workspaces: Int
  @usableFromInline let workspaceByteCount: Int
  /// Buffers used under the node's commit lock only: log ranges read, and pages read aside.
  @usableFromInline let noticeBuffer: Int
  public let noticeBufferEntryCount: Int
  @usableFromInline let scratchPages: Int
  /// A block's worth of bytes that are 1: the source of the marks of neighbouring pages.
  @usableFromInline let ones: Int
  /// For the layers above.
  public let upper: LockedWords
  public let byteCount: Int
  @usableFromInline let nodeCount: Int
  @usableFromInline let roundCount: Int

  /// Pages whose share marks one block mark sums up, and that lie together in one directory shard.
  @inlinable public static var blockShift: Int { 6 }
  @inlinable public static var blockPageCount: Int { 1 << blockShift }
  /// The end of the block that `page` is in.
  @inlinable public static func blockEnd(_ page: Page) -> Page { page.block.pages.upperBound }
  /// Blocks that a release looks at together: one bit of `LocalState.exclusiveGroups`, one cache line of
  /// block marks.
  @inlinable public static var groupBlockCount: Int { 64 }
  static func groupCount(_ c: Configuration) -> Int { (c.blockCount + groupBlockCount - 1) / groupBlockCount }
  @inlinable public static var retireEntryCount: Int { 256 }
  /// Buffers of epochs, filled in turn.
  @inlinable static var epochRecordCount: UInt64 { 3 }

  /// - Parameter upperWordCount: words that the layers above want.
  public init(_ c: Configuration, upperWordCount: Int = 0) {
    var carving = Carving()
    nodeCount = c.nodeCount
    roundCount = c.roundCount
    let shardBlocks = (c.blockCount + c.nodeCount - 1) / c.nodeCount
    let locksHere = (c.lockCount + c.nodeCount - 1) / c.nodeCount
    let log = OwnWords(carving.offset(64))
    (logHead, logFloor) = (log[0], log[1])
    retireHead = LockedWords(carving.offset(64), count: 1)
    retireRing = carving.offset(Self.retireEntryCount * FreedRecord.byteCount)
    logRing = OwnWords(carving.offset(c.logEntryCount * 8))
    directory = FabricWords(carving.offset(shardBlocks * Self.blockPageCount * 8))
    claimMarks = MailBytes(carving.offset(c.chunkCount))
    marks = MailBytes(carving.offset(c.blockCount * Self.blockPageCount))
    // Read a group at a time.
    blockMarks = MailBytes(carving.offset(Self.groupCount(c) * Self.groupBlockCount))
    chunkKeys = OwnWords(carving.offset(c.chunkCount * 8))
    lockRecords = carving.offset(locksHere * LockRecord.byteCount(nodeCount: c.nodeCount))
    lockSlots = carving.offset(c.allSlotCount * LockSlot.byteCount(nodeCount: c.nodeCount))
    let inboxByteCount = Inbox.byteCount(nodeCount: c.nodeCount)
    inboxes = carving.offset(2 * c.roundCount * inboxByteCount)
    stagings = carving.offset(c.roundCount * inboxByteCount)
    epochRecordByteCount = EpochRecord.byteCount(entryCount: c.epochEntryCount)
    epochRecords = carving.offset(Int(Self.epochRecordCount) * epochRecordByteCount)
    workspaceByteCount = WorkspaceShape.byteCount(nodeCount: c.nodeCount)
    workspaces = carving.offset(c.workspaceCount * workspaceByteCount)
    noticeBufferEntryCount = max(c.epochEntryCount + EpochRecord.headWordCount, 4 * c.nodeCount)
    noticeBuffer = carving.offset(noticeBufferEntryCount * 8)
    scratchPages = carving.offset(2 << c.pageShift)
    ones = carving.offset(Self.blockPageCount)
    upper = LockedWords(carving.offset(upperWordCount * 8), count: upperWordCount)
    byteCount = carving.offset(0, align: 4096)
  }

  /// Head and floor.
  @inlinable var logEnds: ControlSpan { ControlSpan(logHead.offset, byteCount: 16) }

  /// The key by which others reach a chunk; 0 while there is none.
  @inlinable public func chunkKey(_ chunk: Chunk) -> OwnWord { chunkKeys[chunk.number] }

  /// The record of the `index`-th lock that is homed at a node.
  @inlinable
  func lockRecord(_ index: Int) -> LockRecord {
    LockRecord(
      lockRecords + index &* LockRecord.byteCount(nodeCount: nodeCount), nodeCount: nodeCount)
  }

  @inlinable
  func lockSlot(_ slot: Int) -> LockSlot {
    LockSlot(lockSlots + slot &* LockSlot.byteCount(nodeCount: nodeCount), nodeCount: nodeCount)
  }

  @inlinable
  func freedRecord(_ position: UInt64) -> FreedRecord {
    FreedRecord(retireRing + Int(position % UInt64(Self.retireEntryCount)) * FreedRecord.byteCount)
  }

  @inlinable
  func epochRecord(_ epoch: UInt64) -> EpochRecord {
    EpochRecord(epochRecords + Int(epoch % Self.epochRecordCount) * epochRecordByteCount)
  }

  /// Where the message of `round` comes in dissemination `number`: an inbox for each round and parity.
  @inlinable
  func inbox(_ round: Int, _ number: UInt64) -> Inbox {
    let index = Int(number & 1) * roundCount + round
    return Inbox(inboxes + index * Inbox.byteCount(nodeCount: nodeCount), nodeCount: nodeCount)
  }

  @inlinable
  func staging(_ round: Int) -> Staging {
    Staging(stagings + round * Inbox.byteCount(nodeCount: nodeCount), nodeCount: nodeCount)
  }
}
