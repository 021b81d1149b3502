/// What this node knows of a coherence unit.
@frozen
public enum PageState: UInt64, BitwiseCopyable, Sendable {
  /// No copy here.
  case invalid = 0
  /// A thread of this node is bringing a copy in; only that thread leaves this state.
  case fetching = 1
  /// A copy, readable. Without a home hint: the zeros of a page that nobody had written.
  case clean = 2
  /// A copy, writable; its twin is at the same offset of the twin memory.
  case dirty = 3
  /// This node is home; readable, and the next write is noticed.
  case homeTracked = 4
  /// This node is home and has written the page since its last notice for it.
  case homeDirty = 5
  /// This node is home; writable without tracking until somebody fetches the page.
  case homeExclusive = 6
}

/// A unit's 64-bit word: state, lock bit, flags and home hint, changed by compare-and-swap.
///
/// ```
/// bits 0-3   state
/// bit  4     lock: whoever set it may change state, protection, twin and hint
/// bit  5     poisoned: the copy being fetched is out of date before it arrived
/// bit  6     written: the unit was written during its last stay (the migratory pattern)
/// bit  7     noticed: this home has issued a notice since it became the unit's home
/// bit  8     pinned: stays accessible and unprotected
/// bit  9     atomics: remote atomics have changed it since this node's last notice for it
/// bits 16-31 home + 1; 0 where it is not known
/// ```
@frozen
public struct PageWord: BitwiseCopyable, Sendable, Equatable {
  public var raw: UInt64

  @inlinable public init(_ raw: UInt64) { self.raw = raw }

  @inlinable
  public var state: PageState {
    get { PageState(rawValue: raw & 0xF) ?? .invalid }
    set { raw = raw & ~0xF | newValue.rawValue }
  }

  @inlinable public static var lockBit: UInt64 { 1 << 4 }
  @inlinable public static var poisonBit: UInt64 { 1 << 5 }
  @inlinable public static var atomicsBit: UInt64 { 1 << 9 }

  @inlinable func flag(_ bit: UInt64) -> Bool { raw & (1 << bit) != 0 }
  @inlinable
  mutating func setFlag(_ bit: UInt64, _ on: Bool) {
    if on { raw |= 1 << bit } else { raw &= ~(1 << bit) }
  }

  @inlinable public var isLocked: Bool {
    get { flag(4) }
    set { setFlag(4, newValue) }
  }
  @inlinable public var isPoisoned: Bool {
    get { flag(5) }
    set { setFlag(5, newValue) }
  }
  @inlinable public var wasWritten: Bool {
    get { flag(6) }
    set { setFlag(6, newValue) }
  }
  @inlinable public var isNoticed: Bool {
    get { flag(7) }
    set { setFlag(7, newValue) }
  }
  @inlinable public var isPinned: Bool {
    get { flag(8) }
    set { setFlag(8, newValue) }
  }
  @inlinable public var hasAtomics: Bool {
    get { flag(9) }
    set { setFlag(9, newValue) }
  }

  /// The home as far as this node knows, -1 where it does not.
  @inlinable
  public var home: Int {
    get { Int((raw >> 16) & 0xFFFF) - 1 }
    set {
      precondition(newValue >= -1 && newValue < 0xFFFF, "a home's number does not fit into 16 bits")
      raw = raw & ~(0xFFFF << 16) | UInt64(newValue + 1) << 16
    }
  }

  @inlinable
  public var isHome: Bool { state.rawValue >= PageState.homeTracked.rawValue }
}
