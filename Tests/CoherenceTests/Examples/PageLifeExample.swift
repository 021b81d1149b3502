import Fabric
import Platform
import Testing

@testable import Coherence

/// What a node knows of a page is one word, so that one compare-and-swap changes it (docs/protocol.md,
/// section 1).
@Suite struct PageLifeExample {
  @Test func stateFlagsAndHomeAreApart() {
    // Zeroed memory says: no copy here, nobody holds it, home not known.
    let zero = PageWord(0)
    #expect(zero.state == .invalid && !zero.isLocked && zero.home == -1)
    let word = PageWord(PageState.homeExclusive.rawValue | PageWord.lock | PageWord.noticed).withHome(5)
    #expect(word.state == .homeExclusive && word.home == 5 && word.isLocked && word.isNoticed)
    #expect(!word.isPoisoned && !word.wasWritten && !word.isPinned && !word.hasAtomics)
    // The home changes alone.
    #expect(word.withHome(0).home == 0 && word.withHome(0).withHome(5) == word)
  }

  @Test func whoIsHomeIsKnownFromTheState() {
    for state in PageState.allCases {
      let isHome = [.homeTracked, .homeDirty, .homeExclusive].contains(state)
      #expect(PageWord(state.rawValue).isHome == isHome)
    }
  }

  /// A page at its home, node 1, and at node 0, which reads it, writes it, and hears of a write of the
  /// home's.
  @Test func aPageGoesThroughItsStates() throws {
    let pair = try HostPair()
    try pair.write(1, page: 5, 1)
    #expect(pair.state(1, page: 5) == .homeDirty && pair.state(0, page: 5) == .invalid)
    try pair.engines[1].release()
    #expect(try pair.read(0, page: 5) == 1)
    #expect(pair.state(1, page: 5) == .homeExclusive && pair.state(0, page: 5) == .clean)
    try pair.write(0, page: 5, at: 1, 2)
    #expect(pair.state(0, page: 5) == .dirty)
    try pair.engines[0].release()
    #expect(pair.state(0, page: 5) == .clean)
    try pair.write(1, page: 5, 3)
    try pair.engines[1].release()
    try pair.engines[0].acquireAll()
    #expect(pair.state(0, page: 5) == .invalid)
  }
}
