import Fabric
import Platform

/// A transition of a page's word that is not in the table, or a word that no node can have: an error in
/// Merino, or memory that was overwritten. Nothing that this node would do from here on could be trusted, and
/// pages of others go through it.
@frozen
public struct IllegalTransition: BitwiseCopyable, Sendable {
  public let node: NodeID
  public let page: Page
  public let from: PageWord
  /// What the word would be.
  public let to: PageWord
  public let transition: Transition
  public let file: StaticString
  public let line: UInt

  @inlinable
  init(
    node: NodeID, page: Page, from: PageWord, to: PageWord, transition: Transition, file: StaticString,
    line: UInt
  ) {
    self.node = node
    self.page = page
    self.from = from
    self.to = to
    self.transition = transition
    self.file = file
    self.line = line
  }

  @inlinable
  func append(to words: inout LastWords) {
    words.append("merino: node ")
    words.append(node.number)
    words.append(": page ")
    words.append(page.number)
    words.append(" cannot go from ")
    from.append(to: &words)
    words.append(" to ")
    to.append(to: &words)
    words.append(" by ")
    words.append(transition.name)
  }
}

extension PageWord {
  /// The state by name, and all of the word.
  @inlinable
  func append(to words: inout LastWords) {
    words.append(PageState(rawValue: raw & 0xF)?.name ?? "no state")
    if isLocked { words.append(", locked") }
    if isPinned { words.append(", pinned") }
    if isPoisoned { words.append(", poisoned") }
    words.append(" (")
    words.append(hexadecimal: UInt(raw))
    words.append(")")
  }
}

extension PageState {
  @inlinable
  var name: StaticString {
    switch self {
    case .invalid: "invalid"
    case .fetching: "fetching"
    case .clean: "clean"
    case .dirty: "dirty"
    case .homeTracked: "homeTracked"
    case .homeDirty: "homeDirty"
    case .homeExclusive: "homeExclusive"
    }
  }
}

extension Transition {
  @inlinable
  var name: StaticString {
    switch self {
    case .beginFetch: "beginFetch"
    case .poison: "poison"
    case .clearPoison: "clearPoison"
    case .finishFetch: "finishFetch"
    case .finishFetchForWriting: "finishFetchForWriting"
    case .abandonFetch: "abandonFetch"
    case .learnHome: "learnHome"
    case .learnHomeOfCopy: "learnHomeOfCopy"
    case .becomeDirty: "becomeDirty"
    case .placeDiff: "placeDiff"
    case .dropTwin: "dropTwin"
    case .invalidate: "invalidate"
    case .settle: "settle"
    case .becomeHome: "becomeHome"
    case .becomeExclusive: "becomeExclusive"
    case .becomeHomeDirty: "becomeHomeDirty"
    case .noteAtHome: "noteAtHome"
    case .noteInPlace: "noteInPlace"
    case .trackAgain: "trackAgain"
    case .addAtomics: "addAtomics"
    case .noteAtomics: "noteAtomics"
    case .pin: "pin"
    case .unpin: "unpin"
    case .notePinnedHome: "notePinnedHome"
    case .leaveHome: "leaveHome"
    case .takeBack: "takeBack"
    case .arriveHome: "arriveHome"
    case .arriveHomePinned: "arriveHomePinned"
    case .homeMoved: "homeMoved"
    case .take: "take"
    case .giveBack: "giveBack"
    }
  }
}
