import Testing

@testable import Coherence

/// What a node knows of a page is one word, so that one compare-and-swap changes it (docs/protocol.md,
/// section 1).
@Suite struct PageWordExample {
  @Test func stateFlagsAndHomeAreApart() {
    // Zeroed memory says: no copy here, nobody holds it, home not known.
    var word = PageWord(0)
    #expect(word.state == .invalid && !word.isLocked && word.home == -1)
    // Each part changes alone.
    word.state = .homeExclusive
    word.home = 5
    word.isLocked = true
    word.isPoisoned = true
    #expect(word.state == .homeExclusive && word.home == 5 && word.isLocked && word.isPoisoned)
    word.isLocked = false
    word.home = 0
    #expect(word.state == .homeExclusive && word.home == 0 && !word.isLocked && word.isPoisoned)
    #expect(!word.wasWritten && !word.isNoticed && !word.isPinned && !word.hasAtomics)
  }

  @Test func whoIsHomeIsKnownFromTheState() {
    for state: PageState in [.invalid, .fetching, .clean, .dirty, .homeTracked, .homeDirty, .homeExclusive] {
      var word = PageWord(0)
      word.state = state
      #expect(word.isHome == [.homeTracked, .homeDirty, .homeExclusive].contains(state))
    }
  }
}
