import Fabric
import Platform

// What lies together in control memory, each declared here and nowhere else: which words, and who writes
// them. Records begin on cache lines.

@inlinable
func wholeLines(_ byteCount: Int) -> Int { (byteCount + 63) & ~63 }

/// A line of words, and a clock behind it.
@inlinable
func lineAndClock(nodeCount: Int) -> Int { wholeLines(64 + nodeCount * 8) }

/// A lock, at the lock's home (`QueueLock.swift`).
@frozen
public struct LockRecord: BitwiseCopyable, Sendable {
  @usableFromInline let offset: Int
  @usableFromInline let nodeCount: Int

  @inlinable
  init(_ offset: Int, nodeCount: Int) {
    self.offset = offset
    self.nodeCount = nodeCount
  }

  /// The name of the slot at the queue's end, 0 where the lock is free.
  @inlinable var tail: FabricWord { FabricWord(offset) }
  /// Six words for the layers above, and behind them the info word: an object's state and its handle.
  @inlinable public var state: LockedWords { LockedWords(offset + 8, count: 7) }
  /// The object's handle, which says that the record is in use.
  @inlinable public var info: LockedWords { LockedWords(offset + 56, count: 1) }
  /// What the last release knew. By whoever releases; who finds the lock free READs it into its slot.
  @inlinable var clock: LockedWords { LockedWords(offset + 64, count: nodeCount) }

  @inlinable static func byteCount(nodeCount: Int) -> Int { lineAndClock(nodeCount: nodeCount) }
}

/// A slot, at the node whose thread waits on it (`Slots.swift`).
@frozen
public struct LockSlot: BitwiseCopyable, Sendable {
  @usableFromInline let offset: Int
  @usableFromInline let nodeCount: Int

  @inlinable
  init(_ offset: Int, nodeCount: Int) {
    self.offset = offset
    self.nodeCount = nodeCount
  }

  /// The successor's name, from the successor; cleared before the slot's own name is given to anybody.
  @inlinable public var next: MailWord { MailWord(offset) }
  /// 1 once the lock, or what is waited for, is here; behind the clock, from whoever grants. Cleared
  /// likewise.
  @inlinable var granted: MailWord { MailWord(offset + 8) }
  /// For the layers above: how a waiter waits. By its own node, under the object's lock.
  @inlinable public var mode: LockedWords { LockedWords(offset + 16, count: 1) }
  /// What the granter knew, or the record's clock.
  @inlinable var clock: MailWords { MailWords(offset + 64, count: nodeCount) }

  @inlinable static func byteCount(nodeCount: Int) -> Int { lineAndClock(nodeCount: nodeCount) }
}

/// What a lock's tail and a slot's `next` say: a node and one of its slots, or nobody.
@frozen
public struct SlotName: BitwiseCopyable, Sendable, Equatable {
  public let raw: UInt64

  @inlinable public init(raw: UInt64) { self.raw = raw }
  @inlinable init(node: NodeID, slot: Int) { raw = UInt64(node.number + 1) << 32 | UInt64(UInt32(slot)) }

  /// Of nobody.
  @inlinable public static var none: SlotName { SlotName(raw: 0) }
  @inlinable var node: NodeID { NodeID(Int(raw >> 32) - 1) }
  @inlinable var slot: Int { Int(raw & 0xFFFF_FFFF) }

  @inlinable public static func == (a: SlotName, b: SlotName) -> Bool { a.raw == b.raw }
}

/// The units that a node noticed between two barriers (`EpochBuffer.swift`). By the node itself.
@frozen
public struct EpochRecord: BitwiseCopyable, Sendable {
  @usableFromInline let offset: Int

  @inlinable init(_ offset: Int) { self.offset = offset }

  @inlinable var count: OwnWord { words[Self.countIndex] }
  /// Not 0 where some did not fit.
  @inlinable var overflow: OwnWord { words[1] }
  /// From the seal on: the log's head then, up to which the set stands in for the log.
  @inlinable var sealed: OwnWord { words[Self.sealedIndex] }
  @inlinable func entry(_ index: Int) -> OwnWord { words[Self.headWordCount + index] }
  @inlinable
  func entries(from first: Int, count: Int) -> ControlSpan {
    words.span(Self.headWordCount + first, count: count)
  }
  /// The head and the first entries, READ at once.
  @inlinable func head(wordCount: Int) -> ControlSpan { words.span(0, count: wordCount) }
  @inlinable var words: OwnWords { OwnWords(offset) }

  // Where they are in what was READ.
  @inlinable static var countIndex: Int { 0 }
  @inlinable static var sealedIndex: Int { 2 }
  @inlinable static var headWordCount: Int { 8 }
  @inlinable static func byteCount(entryCount: Int) -> Int { wholeLines((headWordCount + entryCount) * 8) }
}

/// What comes in one round of a dissemination (`Dissemination.swift`): from one sender, by one WRITE.
@frozen
public struct Inbox: BitwiseCopyable, Sendable {
  @usableFromInline let words: MailWords

  @inlinable
  init(_ offset: Int, nodeCount: Int) { words = MailWords(offset, count: Self.clockIndex + nodeCount) }

  @inlinable static var messageIndex: Int { 0 }
  /// Of the clock's first word.
  @inlinable static var clockIndex: Int { 1 }
  @inlinable var message: MailWord { words[Self.messageIndex] }
  @inlinable func clock(_ node: NodeID) -> MailWord { words[Self.clockIndex + node.number] }

  /// With room for a staging's flight, which lies behind what is sent.
  @inlinable
  static func byteCount(nodeCount: Int) -> Int {
    wholeLines((clockIndex + nodeCount) * 8 + Flight.byteCount)
  }
}

/// What this node sends in one round, and the flight of its WRITE. Of the barrier's thread.
@frozen
public struct Staging: BitwiseCopyable, Sendable {
  @usableFromInline let offset: Int
  @usableFromInline let nodeCount: Int

  @inlinable
  init(_ offset: Int, nodeCount: Int) {
    self.offset = offset
    self.nodeCount = nodeCount
  }

  @inlinable var message: OwnWord { OwnWords(offset)[Inbox.messageIndex] }
  @inlinable func clock(_ node: NodeID) -> OwnWord { OwnWords(offset)[Inbox.clockIndex + node.number] }
  @inlinable var flightOffset: Int { offset + (Inbox.clockIndex + nodeCount) &* 8 }
}

/// A range of freed pages in node 0's ring (`Retire.swift`): first page and number of pages. By whoever frees
/// them, under the lock of the segment table.
@frozen
public struct FreedRecord: BitwiseCopyable, Sendable {
  @usableFromInline let offset: Int

  @inlinable init(_ offset: Int) { self.offset = offset }

  @inlinable var words: LockedWords { LockedWords(offset, count: Self.wordCount) }
  @inlinable static var wordCount: Int { 2 }
  @inlinable static var byteCount: Int { wordCount * 8 }
}
