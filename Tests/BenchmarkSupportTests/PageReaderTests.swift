import BenchmarkSupport
import Testing

@Suite struct PageReaderTests {
  static let pages = 16
  static let pageByteCount = 4096

  /// Memory of pages filled as a writer fills them.
  private func withPages<R>(round: Int, _ body: (UnsafeMutableRawPointer) throws -> R) rethrows -> R {
    let base = UnsafeMutableRawPointer.allocate(
      byteCount: Self.pages * Self.pageByteCount, alignment: Self.pageByteCount)
    defer { base.deallocate() }
    for page in 0..<Self.pages {
      // In bounds: `page` is below the number of pages allocated.
      (base + page * Self.pageByteCount).initializeMemory(
        as: UInt8.self, repeating: PageReader.contents(page: page, round: round), count: Self.pageByteCount)
    }
    return try body(base)
  }

  @Test func everyReadIsTimed() throws {
    try withPages(round: 3) { base in
      let reader = PageReader(base: base, pageByteCount: Self.pageByteCount)
      let order = PageOrder.random(count: Self.pages, seed: 1)
      let times = try reader.times(order: order, round: 3)
      let perPage = try reader.sequentialNanosecondsPerPage(count: Self.pages, round: 3)
      #expect(times.count == Self.pages)
      #expect(perPage > 0)
    }
  }

  @Test func aStalePageIsFound() {
    withPages(round: 3) { base in
      let reader = PageReader(base: base, pageByteCount: Self.pageByteCount)
      #expect(throws: PageReader.WrongContents.self) { try reader.times(order: [0, 1], round: 4) }
      #expect(throws: PageReader.WrongContents.self) {
        try reader.sequentialNanosecondsPerPage(count: 2, round: 4)
      }
    }
  }

  @Test func contentsTellNeighboursAndRoundsApart() {
    for page in 0..<300 {
      #expect(PageReader.contents(page: page, round: 0) != 0)
      #expect(PageReader.contents(page: page, round: 0) != PageReader.contents(page: page + 1, round: 0))
      #expect(PageReader.contents(page: page, round: 0) != PageReader.contents(page: page, round: 1))
    }
  }
}
