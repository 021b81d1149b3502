import Platform

// What lies together in this node's private memory (`LocalState`).

/// The part of a lock that the threads of one node settle among themselves (`LocalLock.swift`).
@frozen
public struct LocalLock<W: MemoryAccess>: BitwiseCopyable, Sendable {
  @usableFromInline let words: SharedWords<W>

  @inlinable init(_ base: UnsafeMutableRawPointer) { words = SharedWords(base) }

  @inlinable static var byteCount: Int { 64 }

  @inlinable var nextTicket: SharedWord<W> { words[0] }
  @inlinable var serving: SharedWord<W> { words[1] }
  /// The thread that holds the lock, 0 for none.
  @inlinable var owner: SharedWord<W> { words[2] }
  /// The global lock's slot + 1 while this node has it, else 0. Belongs to the ticket being served.
  @inlinable var slot: SharedWord<W> { words[3] }
  /// Hand-overs within this node since it got the global lock.
  @inlinable var passes: SharedWord<W> { words[4] }
}

/// A unit that moves at this barrier, and where to (`Migration.swift`). Of the barrier's thread.
@frozen
@usableFromInline
struct MoveRecord<W: MemoryAccess>: BitwiseCopyable, Sendable {
  @usableFromInline let words: SharedWords<W>

  @inlinable init(_ base: UnsafeMutableRawPointer) { words = SharedWords(base) }

  @inlinable static var byteCount: Int { 16 }

  /// A `PlannedMove`.
  @inlinable var unit: SharedWord<W> { words[0] }
  @inlinable var home: SharedWord<W> { words[1] }
}

/// A range that the last barrier forgot (`Forget.swift`). Of the barrier's thread, and read under the commit
/// lock.
@frozen
@usableFromInline
struct ForgottenRecord<W: MemoryAccess>: BitwiseCopyable, Sendable {
  @usableFromInline let words: SharedWords<W>

  @inlinable init(_ base: UnsafeMutableRawPointer) { words = SharedWords(base) }

  @inlinable static var byteCount: Int { 16 }

  @inlinable var firstPage: SharedWord<W> { words[0] }
  @inlinable var pageCount: SharedWord<W> { words[1] }
}

/// Faults in order, reads or writes (`ReadAhead.swift`): a hint, which threads change without care for each
/// other.
@frozen
@usableFromInline
struct StreamRecord<W: MemoryAccess>: BitwiseCopyable, Sendable {
  @usableFromInline let words: SharedWords<W>

  @inlinable init(_ base: UnsafeMutableRawPointer) { words = SharedWords(base) }

  @inlinable static var byteCount: Int { 64 }

  /// The page after the window + 1; 0: unused.
  @inlinable var next: SharedWord<W> { words[0] }
  /// Units of the last window.
  @inlinable var width: SharedWord<W> { words[1] }
  /// The first page of the last window.
  @inlinable var first: SharedWord<W> { words[3] }
  /// Faults that open no window.
  @inlinable var closed: SharedWord<W> { words[2] }
}
