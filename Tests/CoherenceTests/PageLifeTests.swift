import Fabric
import Platform
import Testing

@testable import Coherence

/// The transitions of a page's word: the table in docs/protocol.md is the one in the code, whatever it has
/// not ends the process, and so does a word that cannot be.
@Suite struct PageLifeTests {
  static let node: NodeID = 0

  /// A word of `state` that node 0 can have.
  static func word(_ state: PageState, locked: Bool = false, flags: UInt64 = 0) -> PageWord {
    let home = PageStates.atHome.contains(state) ? node : 1
    return PageWord(state.rawValue | flags | (locked ? PageWord.lock : 0)).withHome(home)
  }

  // MARK: The table

  @Test func theDocumentHasTheTable() throws {
    let text = try String(contentsOfRepositoryFile: "docs/protocol.md")
    let rows = text.split(separator: "\n").map(String.init).filter { line in
      Transition.allCases.contains { line.hasPrefix("| `\($0)` |") }
    }
    #expect(rows == Transition.allCases.map(row))
  }

  /// The rule as the document says it.
  private func row(_ transition: Transition) -> String {
    let rule = transition.rule
    let from =
      if rule.from.bits == PageStates.lockable.bits { "any but fetching" } else {
        names(PageState.allCases.filter(rule.from.contains).map { "\($0)" })
      }
    let to = PageState(rawValue: rule.to).map { "\($0)" } ?? "the same"
    let lock = rule.lock == .free ? "free" : rule.lock == .held ? "held" : "\(rule.lock)"
    let home =
      switch rule.home {
      case .same: ""
      case .own: "this node"
      case .learnt: "as told, where unknown"
      case .moved: "as told"
      }
    let cells = [
      "`\(transition)`", from, to, lock, flags(rule.sets), flags(rule.clears), flags(rule.without), home,
    ]
    return "| " + cells.joined(separator: " | ") + " |"
  }

  private func flags(_ flags: UInt64) -> String {
    let all = [
      (PageWord.poisoned, "poisoned"), (PageWord.written, "written"), (PageWord.noticed, "noticed"),
      (PageWord.pinned, "pinned"), (PageWord.atomics, "atomics"),
    ]
    return names(all.filter { flags & $0.0 != 0 }.map(\.1))
  }

  private func names(_ words: [String]) -> String { words.joined(separator: ", ") }

  @Test(arguments: Transition.allCases) func hasItsName(_ transition: Transition) {
    #expect("\(transition.name)" == "\(transition)")
  }

  @Test(arguments: PageState.allCases) func hasItsName(_ state: PageState) {
    #expect("\(state.name)" == "\(state)")
  }

  // MARK: What is legal

  /// From every state, free or held, with every flag: what the rule allows is what its columns say, and the
  /// result is a word that the node can have.
  @Test(arguments: Transition.allCases) func allowsWhatItSays(_ transition: Transition) {
    let rule = transition.rule
    var allowed = 0
    for state in PageState.allCases {
      for locked in [false, true] {
        for flag in [
          0, PageWord.poisoned, PageWord.written, PageWord.noticed, PageWord.pinned, PageWord.atomics,
        ] {
          var word = Self.word(state, locked: locked, flags: flag)
          if rule.home == .learnt && !PageStates.atHome.contains(state) { word = word.withHome(-1) }
          let isRight =
            rule.from.contains(state) && locked == (rule.lock == .held || rule.lock == .given)
            && rule.without & flag == 0 && (rule.home != .learnt || word.home < 0)
          #expect(rule.allows(word) == isRight, "\(state), locked: \(locked), flag \(flag)")
          guard isRight, word.isPossible(at: Self.node) else { continue }
          let result = rule.result(of: word, at: Self.node, told: 1)
          #expect(result.isPossible(at: Self.node), "\(state) with \(flag) becomes \(result)")
          #expect(result.isLocked == (rule.lock == .held || rule.lock == .taken))
          allowed += 1
        }
      }
    }
    #expect(allowed > 0)
  }

  @Test(arguments: [
    PageWord(7), PageWord(15), PageWord(1 << 10), PageWord(1 << 32), word(.fetching, locked: true),
    word(.fetching, flags: PageWord.pinned), word(.invalid, flags: PageWord.pinned),
    word(.clean, flags: PageWord.poisoned), word(.dirty).withHome(node), word(.dirty).withHome(-1),
    word(.homeTracked).withHome(1), word(.homeExclusive).withHome(-1),
  ])
  func cannotBe(_ word: PageWord) { #expect(!word.isPossible(at: Self.node)) }

  // MARK: The stop

  /// A pair of states between which there is no transition, and a transition that leads to the second one.
  struct Pair: Codable, Sendable, CustomTestStringConvertible {
    var state: PageState
    var to: PageState
    var transition: Transition
    var testDescription: String { "\(state) by \(transition)" }
  }

  static let illegalPairs = PageState.allCases.flatMap { from in
    PageState.allCases.compactMap { to -> Pair? in
      let transitions = Transition.allCases.filter { $0.rule.to == to.rawValue }
      guard let transition = transitions.first, !transitions.contains(where: { $0.rule.from.contains(from) })
      else {
        return nil
      }
      return Pair(state: from, to: to, transition: transition)
    }
  }

  @Test func thereAreIllegalPairs() { #expect(Self.illegalPairs.count > 25, "\(Self.illegalPairs.count)") }

  @Test(arguments: illegalPairs) func anIllegalTransitionEndsTheProcess(_ pair: Pair) async throws {
    let result = await #expect(processExitsWith: .exitCode(70), observing: [\.standardErrorContent]) {
      [pair] in
      let engine = try HostPair().engines[0]
      let isHeld = pair.transition.rule.lock == .held || pair.transition.rule.lock == .given
      let word = PageLifeTests.word(pair.state, locked: isHeld && pair.state != .fetching)
      _ = engine.attempt(pair.transition, 5, from: word, told: 1)
    }
    let said = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(said.contains("merino: node 0: page 5 cannot go from \(pair.state)"), "\(said)")
    #expect(said.contains(" to \(pair.to)"), "\(said)")
    #expect(said.contains(" by \(pair.transition), at "), "\(said)")
    #expect(said.contains("PageLifeTests.swift:"), "\(said)")
  }

  /// Held by somebody else, held by nobody; a word that cannot be, found by whoever looks for its lock bit.
  @Test(arguments: [0, 1, 2, 3, 4])
  func theLockBitAndTheWordAreLookedAt(way: Int) async {
    await #expect(processExitsWith: .exitCode(70)) {
      [way] in
      let pair = try HostPair()
      let engine = pair.engines[0]
      let unit = Unit(page: 5, count: 1)
      switch way {
      case 0: _ = engine.attempt(.take, 5, from: PageLifeTests.word(.clean, locked: true))
      case 1: engine.unlock(unit)
      case 2:
        var held = try engine.holdUnit(unit)
        engine.unlock(unit)
        engine.step(.addAtomics, &held)
        engine.store(&held)
      case 3:
        engine.pages.pageWords[5].store(9)
        try engine.fault(page: 5, access: .read, view: 0)
      default:
        // No home's state, at a node that is not the home.
        let word = PageLifeTests.word(.homeDirty).withHome(1)
        engine.pages.pageWords[5].store(word.raw)
        try engine.fault(page: 5, access: .read, view: 0)
      }
    }
  }
}

extension PageState: Codable {}
extension Transition: Codable {}
