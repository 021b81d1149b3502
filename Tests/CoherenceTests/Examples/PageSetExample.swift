import Fabric
import Platform
import Testing

@testable import Coherence

/// Threads add pages without a lock; a release takes them in ascending order (docs/protocol.md, sections 1
/// and 3).
@Suite struct PageSetExample {
  private func withSet(_ body: (PageSet<BareMemory>) -> Void) {
    let pageCount = 1 << 20
    var measure = Carving()
    _ = PageSet<BareMemory>(&measure, pageCount: pageCount)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: measure.end, alignment: 64)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: measure.end)
    var carving = Carving(memory)
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
