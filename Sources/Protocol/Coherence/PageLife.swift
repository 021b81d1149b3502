import Fabric
import Platform

// The life of a page on one node: its states, its word, the transitions that are legal, and the only code
// that makes them.
//
//                             finishFetch                    becomeHome
//            beginFetch    ┌──────────────▶ clean ──────────────────────────┐
//  invalid ─────────────▶ fetching          ▲  │ becomeDirty                ▼     becomeExclusive
//     ▲    ◀─────────────  │    │  placeDiff │  ▼              ┌──────▶ homeTracked ──────────▶ homeExclusive
//     │     abandonFetch   │    └─────────▶ dirty             │            │   ▲  ◀───────────      │
//     │                    │ settle  (finishFetchForWriting)  │ noteAtHome │   │   trackAgain       │
//     │                    └─────────────▶ homeTracked        │            ▼   │                    │
//     └── invalidate ── clean                                 └──────── homeDirty ◀─────────────────┘
//                                                                              becomeHomeDirty
//  A home moves:
//    at home ── leaveHome ─▶ clean ── takeBack ─▶ homeTracked      (the old home; a move that is cancelled)
//    clean, invalid ── arriveHome ─▶ homeTracked   dirty ── arriveHomePinned ─▶ homeDirty      (the new home)
//
// The drawing has the common ones. `Transition.rule` has all of them (pins, atomics, a home that only moved)
// as a table, with the lock bit and the flags: `Engine.moved` reads it at every step, and a step that is not
// in it ends the process (docs/protocol.md, section 1).

// MARK: States

/// What this node knows of a coherence unit.
@frozen
public enum PageState: UInt64, BitwiseCopyable, Sendable, CaseIterable {
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

  @inlinable public static func | (a: PageState, b: PageState) -> PageStates { PageStates(a) | PageStates(b) }
}

/// Some of the states.
@frozen
public struct PageStates: BitwiseCopyable, Sendable {
  @usableFromInline let bits: UInt64

  @inlinable init(bits: UInt64) { self.bits = bits }
  @inlinable public init(_ state: PageState) { bits = 1 << state.rawValue }

  @inlinable public func contains(_ state: PageState) -> Bool { bits & 1 << state.rawValue != 0 }
  @inlinable
  public static func | (a: PageStates, b: PageStates) -> PageStates { PageStates(bits: a.bits | b.bits) }
  @inlinable
  public static func | (a: PageStates, b: PageState) -> PageStates { a | PageStates(b) }

  @inlinable public static var none: PageStates { PageStates(bits: 0) }
  @inlinable public static var atHome: PageStates { .homeTracked | .homeDirty | .homeExclusive }
  @inlinable public static var copies: PageStates { .clean | .dirty }
  /// What the lock bit can be taken in: the fetcher needs none.
  @inlinable public static var lockable: PageStates { .invalid | .clean | .dirty | .atHome }

  @inlinable
  static func | (a: PageState, b: PageStates) -> PageStates { b | a }
}

// MARK: The word

/// A unit's 64-bit word: state, lock bit, flags and home hint. A value: a word changes by a `Transition`
/// alone.
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
  public let raw: UInt64

  @inlinable public init(_ raw: UInt64) { self.raw = raw }

  @inlinable public static var lock: UInt64 { 1 << 4 }
  @inlinable public static var poisoned: UInt64 { 1 << 5 }
  @inlinable public static var written: UInt64 { 1 << 6 }
  @inlinable public static var noticed: UInt64 { 1 << 7 }
  @inlinable public static var pinned: UInt64 { 1 << 8 }
  @inlinable public static var atomics: UInt64 { 1 << 9 }
  @inlinable static var unused: UInt64 { 0xFFFF_FFFF_0000_FC00 }

  /// Of a word that `isPossible`; every word that is loaded for a transition is looked at first.
  @inlinable
  public var state: PageState {
    guard let state = PageState(rawValue: raw & 0xF) else { preconditionFailure("a page word has no state") }
    return state
  }

  @inlinable func has(_ flags: UInt64) -> Bool { raw & flags != 0 }

  @inlinable public var isLocked: Bool { has(Self.lock) }
  @inlinable public var isPoisoned: Bool { has(Self.poisoned) }
  @inlinable public var wasWritten: Bool { has(Self.written) }
  @inlinable public var isNoticed: Bool { has(Self.noticed) }
  @inlinable public var isPinned: Bool { has(Self.pinned) }
  @inlinable public var hasAtomics: Bool { has(Self.atomics) }

  /// The home as far as this node knows, -1 where it does not.
  @inlinable public var home: NodeID { NodeID(Int((raw >> 16) & 0xFFFF) - 1) }

  @inlinable
  public var isHome: Bool { raw & 0xF >= PageState.homeTracked.rawValue }

  @inlinable
  func withHome(_ home: NodeID) -> PageWord {
    precondition(home >= -1 && home < 0xFFFF, "a home's number does not fit into 16 bits")
    return PageWord(raw & ~(0xFFFF << 16) | UInt64(home.number + 1) << 16)
  }

  /// Whether `node` can have this word: what docs/protocol.md (section 1) says of words.
  @inlinable @inline(__always)
  func isPossible(at node: NodeID) -> Bool {
    switch raw & 0xF {
    case PageState.invalid.rawValue: return !has(Self.unused | Self.poisoned | Self.pinned)
    // Its fetcher needs no lock bit, and nobody else touches it but to poison it.
    case PageState.fetching.rawValue: return !has(Self.unused | Self.lock | Self.pinned)
    case PageState.clean.rawValue: return !has(Self.unused | Self.poisoned)
    // A diff needs somewhere to go.
    case PageState.dirty.rawValue: return !has(Self.unused | Self.poisoned) && home >= 0 && home != node
    case PageState.homeTracked.rawValue, PageState.homeDirty.rawValue, PageState.homeExclusive.rawValue:
      return !has(Self.unused | Self.poisoned) && home == node
    default: return false
    }
  }
}

// MARK: The transitions

/// A transition of a page's word. There are no others, but that a freed page's word becomes zero
/// (`PageTable.forgetWords`).
@frozen
public enum Transition: UInt8, BitwiseCopyable, Sendable, CaseIterable {
  // A copy comes.
  case beginFetch, poison, clearPoison, finishFetch, finishFetchForWriting, abandonFetch
  case learnHome, learnHomeOfCopy
  // It is written, placed, and goes.
  case becomeDirty, placeDiff, dropTwin, invalidate
  // At home.
  case settle, becomeHome, becomeExclusive, becomeHomeDirty, noteAtHome, noteInPlace, trackAgain
  // What atomics and pins add.
  case addAtomics, noteAtomics, pin, unpin, notePinnedHome
  // A home moves.
  case leaveHome, takeBack, arriveHome, arriveHomePinned, homeMoved
  // The lock bit alone.
  case take, giveBack

  /// What a transition does with the lock bit.
  @frozen @usableFromInline
  enum Lock: BitwiseCopyable {
    /// Free before and behind it.
    case free
    /// Free before it, this thread's behind it.
    case taken
    /// This thread's before and behind it.
    case held
    /// This thread's before it, free behind it.
    case given
  }

  /// Whose number the word has as the home's behind a transition.
  @frozen @usableFromInline
  enum Home: BitwiseCopyable {
    case same
    case own
    /// As told, where it was not known.
    case learnt
    /// As told: all nodes change it together.
    case moved
  }

  @frozen @usableFromInline
  struct Rule: BitwiseCopyable {
    @usableFromInline let from: PageStates
    /// The state behind it; 15 for the one before it.
    @usableFromInline let to: UInt64
    @usableFromInline let lock: Lock
    @usableFromInline let sets: UInt64
    @usableFromInline let clears: UInt64
    /// Flags that must not be there.
    @usableFromInline let without: UInt64
    @usableFromInline let home: Home

    @inlinable
    init(
      _ from: PageStates, _ to: PageState?, _ lock: Lock, sets: UInt64 = 0, clears: UInt64 = 0,
      without: UInt64 = 0, home: Home = .same
    ) {
      self.from = from
      self.to = to?.rawValue ?? 15
      self.lock = lock
      self.sets = sets
      self.clears = clears
      self.without = without
      self.home = home
    }
  }

  /// The table of transitions, from docs/protocol.md.
  @inlinable @inline(__always)
  var rule: Rule {
    switch self {
    // By whoever has made it `fetching`, but for the poison, which others set.
    case .beginFetch: Rule(PageStates(.invalid), .fetching, .free)
    case .poison: Rule(PageStates(.fetching), nil, .free, sets: PageWord.poisoned)
    case .clearPoison: Rule(PageStates(.fetching), nil, .free, clears: PageWord.poisoned)
    case .finishFetch:
      Rule(PageStates(.fetching), .clean, .taken, clears: PageWord.written, without: PageWord.poisoned)
    case .finishFetchForWriting:
      Rule(PageStates(.fetching), .dirty, .taken, sets: PageWord.written, without: PageWord.poisoned)
    case .abandonFetch: Rule(PageStates(.fetching), .invalid, .free, clears: PageWord.poisoned)
    case .learnHome: Rule(.invalid | .fetching, nil, .free, home: .learnt)
    case .learnHomeOfCopy: Rule(.invalid | .clean, nil, .held, home: .learnt)

    case .becomeDirty: Rule(PageStates(.clean), .dirty, .held, sets: PageWord.written)
    case .placeDiff: Rule(PageStates(.dirty), .clean, .held, sets: PageWord.written, clears: PageWord.atomics)
    case .dropTwin: Rule(PageStates(.dirty), .clean, .held, clears: PageWord.written | PageWord.atomics)
    case .invalidate: Rule(PageStates(.clean), .invalid, .held, without: PageWord.pinned)

    // A poison does not matter: a home's frame has all diffs that were placed.
    case .settle:
      Rule(
        PageStates(.fetching), .homeTracked, .taken,
        clears: PageWord.poisoned | PageWord.written | PageWord.noticed, home: .own)
    case .becomeHome:
      Rule(.invalid | .clean, .homeTracked, .held, clears: PageWord.written | PageWord.noticed, home: .own)
    case .becomeExclusive: Rule(PageStates(.homeTracked), .homeExclusive, .held, without: PageWord.pinned)
    case .becomeHomeDirty: Rule(.homeTracked | .homeExclusive, .homeDirty, .held)
    case .noteAtHome: Rule(.atHome, .homeTracked, .held, sets: PageWord.noticed, clears: PageWord.atomics)
    case .noteInPlace:
      Rule(
        .homeDirty | .homeExclusive, .homeExclusive, .held, sets: PageWord.noticed, clears: PageWord.atomics,
        without: PageWord.pinned)
    case .trackAgain: Rule(PageStates(.homeExclusive), .homeTracked, .held, sets: PageWord.noticed)

    case .addAtomics: Rule(.lockable, nil, .held, sets: PageWord.atomics)
    case .noteAtomics: Rule(.invalid | .copies, nil, .held, clears: PageWord.atomics)
    case .pin: Rule(.copies | .atHome, nil, .taken, sets: PageWord.pinned)
    case .unpin: Rule(.copies | .atHome, nil, .held, clears: PageWord.pinned)
    case .notePinnedHome: Rule(.atHome, nil, .held, sets: PageWord.noticed, clears: PageWord.atomics)

    case .leaveHome: Rule(.atHome, .clean, .held, clears: PageWord.atomics)
    case .takeBack: Rule(PageStates(.clean), .homeTracked, .held, home: .own)
    case .arriveHome:
      Rule(.invalid | .clean, .homeTracked, .held, clears: PageWord.written | PageWord.noticed, home: .own)
    case .arriveHomePinned:
      Rule(PageStates(.dirty), .homeDirty, .held, clears: PageWord.written | PageWord.noticed, home: .own)
    case .homeMoved: Rule(.invalid | .copies, nil, .held, home: .moved)

    case .take: Rule(.lockable, nil, .taken)
    case .giveBack: Rule(.lockable, nil, .given)
    }
  }
}

extension Transition.Rule {
  @inlinable
  func allows(_ word: PageWord) -> Bool {
    from.bits & 1 << (word.raw & 0xF) != 0 && !word.has(without)
      && word.isLocked == needsLockBit && (!isUnknownBefore || word.home < 0)
  }

  @inlinable
  var isUnknownBefore: Bool {
    switch home {
    case .learnt: true
    case .same, .own, .moved: false
    }
  }

  /// Whether this thread has the lock bit before the transition.
  @inlinable
  var needsLockBit: Bool {
    switch lock {
    case .held, .given: true
    case .free, .taken: false
    }
  }

  @inlinable
  func result(of word: PageWord, at node: NodeID, told: NodeID) -> PageWord {
    var raw = word.raw
    if to != 15 { raw = raw & ~0xF | to }
    raw = raw & ~clears | sets
    switch lock {
    case .taken: raw |= PageWord.lock
    case .given: raw &= ~PageWord.lock
    case .free, .held: break
    }
    switch home {
    case .same: return PageWord(raw)
    case .own: return PageWord(raw).withHome(node)
    case .learnt, .moved: return PageWord(raw).withHome(told)
    }
  }
}

// MARK: Where a word lies

/// Many threads of the node change a word at once, so there is no plain store: a store of what was loaded
/// before overwrites what somebody else did in between. (`PageTable.forgetWords` stores zeros behind the
/// closed gate, inside which everything here happens.)
@frozen
public struct PageCell<W: MemoryAccess>: BitwiseCopyable, Sendable {
  @usableFromInline let word: SharedWord<W>

  @inlinable init(_ word: SharedWord<W>) { self.word = word }

  /// Acquire: pairs with the change that it sees, each of which is at least a release.
  @inlinable
  public func load() -> PageWord { PageWord(word.load()) }

  /// `old` → `new`; false where the word is not `old` any more. A full barrier; the release pairs with
  /// `load`.
  @inlinable
  func exchange(_ old: PageWord, for new: PageWord) -> Bool { word.compareExchange(old.raw, new.raw) }
}

/// A unit whose lock bit this thread holds: nobody else changes its word.
@frozen
@usableFromInline
struct HeldUnit: BitwiseCopyable {
  @usableFromInline let unit: Unit
  /// What others see.
  @usableFromInline var stored: PageWord
  /// What this thread has made of it; seen when it is stored.
  @usableFromInline var word: PageWord

  @inlinable
  init(_ unit: Unit, _ word: PageWord) {
    self.unit = unit
    stored = word
    self.word = word
  }
}

/// What came of a look for a lock bit.
@frozen
@usableFromInline
enum LockLook: BitwiseCopyable {
  case held(HeldUnit)
  /// Left alone, being as it is.
  case passed(PageWord)
  /// Somebody else has it, or is fetching.
  case busy
}

// MARK: The steps

extension Engine {
  /// The word behind a transition; ends the process where the transition is not one of the table. Inlined,
  /// with a `transition` that is written down where it is made: then the table folds into the few
  /// instructions of its row.
  @inlinable @inline(__always)
  func moved(
    _ word: PageWord, by transition: Transition, of page: Page, told home: NodeID = -1,
    _ file: StaticString = #fileID, _ line: UInt = #line
  ) -> PageWord {
    let rule = transition.rule
    let result = rule.result(of: word, at: node, told: home)
    if !rule.allows(word) || !result.isPossible(at: node) {
      stop(word, transition, result, page, file, line)
    }
    return result
  }

  @inlinable @inline(never)
  func stop(
    _ word: PageWord, _ transition: Transition, _ result: PageWord, _ page: Page, _ file: StaticString,
    _ line: UInt
  ) -> Never {
    execution.stop(
      .transition(
        IllegalTransition(
          node: node, page: page, from: word, to: result, transition: transition, file: file, line: line)))
  }

  /// The one compare-and-swap: the transition from `old`; nil where the word is not `old` any more. (Compared
  /// by `case .some`: on the fault path the compiler does not see through `== nil`.)
  @inlinable @inline(__always)
  func attempt(
    _ transition: Transition, _ page: Page, from old: PageWord, told home: NodeID = -1,
    _ file: StaticString = #fileID, _ line: UInt = #line
  ) -> PageWord? {
    if !old.isPossible(at: node) { stop(old, transition, old, page, file, line) }
    let new = moved(old, by: transition, of: page, told: home, file, line)
    return pages.cell(page).exchange(old, for: new) ? new : nil
  }

  /// A transition that nobody else makes, from whatever the word is now: by the unit's fetcher.
  @inlinable @inline(__always)
  func make(
    _ transition: Transition, _ page: Page, told home: NodeID = -1,
    _ file: StaticString = #fileID, _ line: UInt = #line
  ) -> PageWord {
    let cell = pages.cell(page)
    while true {
      if let new = attempt(transition, page, from: cell.load(), told: home, file, line) { return new }
    }
  }

  /// One look for the lock bit of `unit`. A unit whose bit is free, in a state of `passed`, is left alone,
  /// unless it has one of the flags `kept`.
  @inlinable
  func lookForLockBit(_ unit: Unit, passing passed: PageStates, unless kept: UInt64) -> LockLook {
    let cell = pages.cell(unit.page)
    while true {
      let word = cell.load()
      // Also where it is passed by, or awaited: nobody waits for a bit that nobody holds.
      if !word.isPossible(at: node) { stop(word, .take, word, unit.page, #fileID, #line) }
      if word.isLocked { return .busy }
      if passed.contains(word.state) && !word.has(kept) { return .passed(word) }
      if word.state == .fetching { return .busy }
      if let new = attempt(.take, unit.page, from: word) {
        execution.interleave(#line)
        return .held(HeldUnit(unit, new))
      }
    }
  }

  /// The one wait for a lock bit: until this thread has it, or the unit is one that is passed by. Whoever
  /// waits holds nothing that a holder needs (`Gate`), and no open batch: its connection may be what the
  /// holder waits for.
  @inlinable
  func takeLockBit(
    _ unit: Unit, passing passed: PageStates = .none, unless kept: UInt64 = 0
  ) throws(EngineError) -> LockLook {
    var backoff = Backoff()
    while true {
      let look = lookForLockBit(unit, passing: passed, unless: kept)
      if case .busy = look {
        try checkPeers()
        execution.pause(&backoff)
      } else {
        return look
      }
    }
  }

  /// The same where no unit is passed by.
  @inlinable
  func holdUnit(_ unit: Unit) throws(EngineError) -> HeldUnit {
    guard case .held(let held) = try takeLockBit(unit) else { unreachable(unit) }
    return held
  }

  @inlinable @inline(never)
  func unreachable(_ unit: Unit) -> Never {
    let word = pages.load(unit.page)
    stop(word, .take, word, unit.page, #fileID, #line)
  }

  /// A unit whose lock bit this thread has taken before.
  @inlinable
  func heldAlready(_ unit: Unit) -> HeldUnit {
    let word = pages.load(unit.page)
    if !word.isLocked || !word.isPossible(at: node) { stop(word, .giveBack, word, unit.page, #fileID, #line) }
    return HeldUnit(unit, word)
  }

  /// A transition of a unit that this thread holds. Others see it when it is stored.
  @inlinable @inline(__always)
  func step(
    _ transition: Transition, _ held: inout HeldUnit, told home: NodeID = -1,
    _ file: StaticString = #fileID, _ line: UInt = #line
  ) {
    held.word = moved(held.word, by: transition, of: held.unit.page, told: home, file, line)
  }

  /// Others see what this thread has made of the unit. Cannot fail: nobody else changes a word whose lock bit
  /// is set.
  @inlinable
  func store(_ held: inout HeldUnit) {
    if !pages.cell(held.unit.page).exchange(held.stored, for: held.word) {
      stop(pages.load(held.unit.page), .giveBack, held.word, held.unit.page, #fileID, #line)
    }
    held.stored = held.word
  }

  /// Stores it, and gives the lock bit back. The release pairs with the acquire of whoever takes it next.
  @inlinable
  func giveBack(_ held: consuming HeldUnit) {
    step(.giveBack, &held)
    store(&held)
  }

  /// Gives the lock bit back, with the word as it was stored last.
  @inlinable
  func unlock(_ unit: Unit) { giveBack(heldAlready(unit)) }

  /// `body` while the lock bit is held. Where it throws the bit is given back: after a loss threads still use
  /// what is here.
  @inlinable @inline(__always)
  func unlocking(_ unit: Unit, _ body: () throws(EngineError) -> Void) throws(EngineError) {
    do throws(EngineError) {
      try body()
    } catch {
      unlock(unit)
      throw error
    }
  }
}
