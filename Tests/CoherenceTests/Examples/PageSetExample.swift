import Fabric
import Glibc
import Platform
import Testing

@testable import Coherence

/// Threads add pages without a lock; a release takes them in ascending order (docs/protocol.md, sections 1
/// and 3).
@Suite struct PageSetExample {
  private func withSet(pageCount: Int = 1 << 20, _ body: (PageSet<BareMemory>) -> Void) {
    var measure = Carving()
    _ = PageSet<BareMemory>(&measure, pageCount: pageCount)
    // Zero, and only what is touched exists.
    guard let memory = calloc(measure.end + 64, 1) else { return }
    defer { free(memory) }
    var carving = Carving(memory.alignedUp(toMultipleOf: 64))
    body(PageSet(&carving, pageCount: pageCount))
  }

  @Test func pagesComeOutOnceAndInOrder() {
    withSet { set in
      // Neighbours, and pages whose bits are in different words of both summaries.
      for page in [1 << 19, 70, 5, 1 << 13, 4, 5, 1 << 20 - 1].map({ Page($0) }) { set.insert(page) }
      var taker = set.take()
      var taken: [Int] = []
      while let page = taker.next() { taken.append(page.number) }
      #expect(taken == [4, 5, 70, 1 << 13, 1 << 19, 1 << 20 - 1])
      var again = set.take()
      #expect(again.next() == nil)
    }
  }

  /// A part of the set is more than one word of groups where the set is large: 1 TiB here.
  @Test func aLargeSetIsTakenInParts() {
    withSet(pageCount: 1 << 28) { set in
      let pages = [0, 1 << 18, 1 << 22 - 1, 1 << 22, 1 << 27, 1 << 28 - 1]
      #expect(set.isIdle)
      for page in pages.reversed() { set.insert(Page(page)) }
      #expect(!set.isIdle)
      var taker = set.take()
      var taken: [Int] = []
      while let page = taker.next() { taken.append(page.number) }
      #expect(taken == pages)
      #expect(set.isIdle)
    }
  }

  /// However many words there are, 64 bits stand for all of them, each for words of its own.
  @Test(arguments: [1, 2, 63, 64, 65, 128, 129, 4096, 5000]) func partsAreAllOfTheirWords(wordCount: Int) {
    let parts = Parts(wordCount: wordCount)
    var (all, next): (UInt64, Int) = (0, 0)
    for index in 0..<wordCount { all |= parts.bit(index) }
    while all != 0 {
      let words = parts.lowest(all)
      #expect(words.lowerBound == next && words.allSatisfy { parts.bit($0) == all & (0 &- all) })
      next = words.upperBound
      all &= all - 1
    }
    #expect(next == wordCount)
  }

  /// A page that a thread adds while a release takes the set is not lost: this release takes it or the next
  /// one.
  @Test func whatIsAddedMeanwhileIsTakenLater() {
    withSet { set in
      for page in [10, 5000] as [Page] { set.insert(page) }
      var taker = set.take()
      #expect(taker.next() == 10)
      set.insert(3)
      set.insert(9000)
      #expect(taker.next() == 5000)
      #expect(taker.next() == nil)
      var next = set.take()
      #expect([next.next(), next.next(), next.next()] == [3, 9000, nil])
    }
  }
}
