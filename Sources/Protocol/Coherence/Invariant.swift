import Fabric
import Platform

/// What holds whenever a step of the protocol begins or ends; docs/protocol.md (section 13) says where each
/// comes from. One that does not hold is an error in Merino, or memory that was overwritten: the process
/// ends, in every build, before wrong bytes reach a home.
@frozen
public enum Invariant: UInt8, BitwiseCopyable, Sendable, CaseIterable {
  case insideGate, gateClosed, gateOpenedOnce
  case workspaceTaken, workspaceAtRest
  case commitLockHeld, roundsInOrder
  case headOnlyRises, logWithinRing, wholeUnits, epochSetFits
  case clockApplied, clockOnlyRises, ownClockBelowHead
  case diffHasHome
  case fetchFromElsewhere, frameRegistered, windowInChunk
  case moveToANode, homeAfterMove
  case freedChunks, pinsCounted
  case ticketsInOrder, slotTaken, lockHasSlot, waitingCounted
  case atomicWithinWord
  case lockBitHeld, roundCovers, twinOfCopy, exclusiveIsSeen, bufferHasRoom, messageAtRest, keyAnnounced
  case lockOfTheJob, movesCounted, pagesOfTheSpace

  /// The sentence's middle: what does not hold.
  @inlinable
  var words: StaticString {
    switch self {
    case .insideGate: "whoever works on pages is inside the gate"
    case .gateClosed: "homes move and pages are forgotten behind the closed gate"
    case .gateOpenedOnce: "a gate is closed once and opened once"
    case .workspaceTaken: "a workspace that is given back was taken"
    case .workspaceAtRest: "nothing is under way in a workspace that is given back"
    case .commitLockHeld: "notices are made and applied under the commit lock"
    case .roundsInOrder: "release rounds end in the order in which they began"
    case .headOnlyRises: "the head of a log only rises"
    case .logWithinRing: "what is between the floor and the head of a log is in its ring"
    case .wholeUnits: "notices are of whole units within the capacity"
    case .epochSetFits: "an epoch's set has no more entries than it has room for"
    case .clockApplied: "what an acquire was told of is applied at its end"
    case .clockOnlyRises: "no entry of a barrier's clock is below that of the last barrier"
    case .ownClockBelowHead: "nobody knows more of a log than is in it"
    case .diffHasHome: "a diff goes to the home, which is another node"
    case .fetchFromElsewhere: "a copy is fetched from another node, by whoever made it fetching"
    case .frameRegistered: "a frame that the device reads or writes is registered"
    case .windowInChunk: "a window of read-ahead is in one chunk"
    case .moveToANode: "a page moves to a node of the job"
    case .homeAfterMove: "the new home is home when the move is over"
    case .freedChunks: "freed pages begin with a chunk and are within the capacity"
    case .pinsCounted: "a page is pinned as long as it has pins"
    case .ticketsInOrder: "a ticket is served that was drawn"
    case .slotTaken: "a slot that is used or given back was taken"
    case .lockHasSlot: "a lock that is here has a slot"
    case .waitingCounted: "who ends a wait has begun it"
    case .atomicWithinWord: "an atomic is within an aligned word of shared memory"
    case .lockBitHeld: "nobody changes the word of a unit whose lock bit is held by somebody else"
    case .roundCovers: "a release returns when a round that began behind it has ended"
    case .twinOfCopy: "a twin is made of a copy that nobody writes yet"
    case .exclusiveIsSeen: "an exclusive page is in a group of blocks that releases look at"
    case .bufferHasRoom: "what is READ has room in the buffer of notices"
    case .messageAtRest: "a barrier's message is not overwritten while it is being sent"
    case .keyAnnounced: "a chunk that is registered has a key, and one that is withdrawn has none"
    case .lockOfTheJob: "a lock has a number that the job has a record for"
    case .movesCounted: "of the moves of a barrier as many are looked at as there are"
    case .pagesOfTheSpace: "pages that are protected or mapped are within the capacity"
    }
  }
}

/// An invariant that does not hold.
@frozen
public struct BrokenInvariant: BitwiseCopyable, Sendable {
  public let node: NodeID
  public let invariant: Invariant
  /// The page, position, number that it is about.
  public let value: UInt64
  public let file: StaticString
  public let line: UInt

  @inlinable
  init(node: NodeID, invariant: Invariant, value: UInt64, file: StaticString, line: UInt) {
    self.node = node
    self.invariant = invariant
    self.value = value
    self.file = file
    self.line = line
  }

  @inlinable
  func append(to words: inout LastWords) {
    words.append("merino: node ")
    words.append(node.number)
    words.append(": it does not hold that ")
    words.append(invariant.words)
    words.append(" (")
    words.append(hexadecimal: UInt(value))
    words.append(")")
  }
}

/// Why a node cannot go on: an error in Merino, or memory of this process that was overwritten.
@frozen
public enum Violation: BitwiseCopyable, Sendable, CustomStringConvertible {
  case transition(IllegalTransition)
  case invariant(BrokenInvariant)

  /// The whole sentence. Async-signal-safe.
  @inlinable
  public func append(to words: inout LastWords) {
    let file: StaticString
    let line: UInt
    switch self {
    case .transition(let transition):
      transition.append(to: &words)
      (file, line) = (transition.file, transition.line)
    case .invariant(let broken):
      broken.append(to: &words)
      (file, line) = (broken.file, broken.line)
    }
    words.append(", at ")
    words.append(file)
    words.append(":")
    words.append(Int(line))
    words.append(
      ". This is an error in Merino, or the memory of this process was overwritten. The process ends.\n")
  }

  public var description: String {
    withUnsafeTemporaryAllocation(byteCount: LastWords.byteCount, alignment: 8) { buffer in
      guard let start = buffer.baseAddress else { return "" }
      var words = LastWords(start)
      append(to: &words)
      return String(decoding: UnsafeRawBufferPointer(start: start, count: words.used), as: UTF8.self)
    }
  }
}

extension Engine {
  /// Ends the process where `holds` is false: the invariant is broken.
  @inlinable @inline(__always)
  func ensure(
    _ holds: Bool, _ invariant: Invariant, _ value: Int = 0, _ file: StaticString = #fileID,
    _ line: UInt = #line
  ) {
    if !holds { broke(invariant, value, file, line) }
  }

  /// The same of a page, a node.
  @inlinable @inline(__always)
  func ensure<Kind>(
    _ holds: Bool, _ invariant: Invariant, _ value: Ordinal<Kind>, _ file: StaticString = #fileID,
    _ line: UInt = #line
  ) {
    if !holds { broke(invariant, value.number, file, line) }
  }

  @inlinable @inline(never)
  func broke(_ invariant: Invariant, _ value: Int, _ file: StaticString, _ line: UInt) -> Never {
    execution.stop(
      .invariant(
        BrokenInvariant(
          node: node, invariant: invariant, value: UInt64(bitPattern: Int64(value)), file: file, line: line)))
  }

  /// Where notices are made and applied: under the commit lock, inside the gate or behind it closed.
  @inlinable @inline(__always)
  func ensureRound(_ page: Page = 0, _ file: StaticString = #fileID, _ line: UInt = #line) {
    ensure(isCommitLockHeld, .commitLockHeld, page, file, line)
    ensure(isInsideGate || isGateClosed, .insideGate, page, file, line)
  }

  /// Where a unit is changed: by whoever holds its lock bit, so its word is as that thread stored it last.
  @inlinable @inline(__always)
  func ensureHeld(_ held: HeldUnit, _ file: StaticString = #fileID, _ line: UInt = #line) {
    ensure(
      held.stored.isLocked && pages.load(held.unit.page).raw == held.stored.raw, .lockBitHeld, held.unit.page,
      file, line)
  }

  @inlinable @inline(__always)
  func ensureSpace(_ range: PageRange, _ file: StaticString = #fileID, _ line: UInt = #line) {
    ensure(
      range.lowerBound >= 0 && range.upperBound <= configuration.endPage, .pagesOfTheSpace, range.lowerBound,
      file, line)
  }

  @inlinable var isInsideGate: Bool { local.inside.loadRelaxed() != 0 }
  /// (So says the mutation, too: it is to be found by what the gate keeps from happening, not by a check.)
  @inlinable var isGateClosed: Bool { local.gateClosed.loadRelaxed() != 0 || isOn(.movesWithoutGate) }
  @inlinable var isCommitLockHeld: Bool { local.commitLock.loadRelaxed() != 0 }
}
