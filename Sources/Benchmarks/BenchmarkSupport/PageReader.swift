/// Reads one byte of each of a run of pages, and times it. What a reader does while others measure: it knows
/// nothing of how the pages get here.
public struct PageReader {
  /// The first page's first byte.
  let base: UnsafeRawPointer
  let pageByteCount: Int

  /// A page did not have the contents that it was written with.
  public struct WrongContents: Error, CustomStringConvertible {
    /// The page's number.
    public let page: Int
    /// The byte read.
    public let found: UInt8
    /// The byte that was written.
    public let expected: UInt8

    /// A sentence.
    public var description: String { "page \(page) has the byte \(found) and was written with \(expected)." }
  }

  /// A reader of the pages that begin at `base`, which stay readable as long as it is used.
  public init(base: UnsafeRawPointer, pageByteCount: Int) {
    self.base = base
    self.pageByteCount = pageByteCount
  }

  /// The byte that a writer fills a page with in a round: differs between neighbouring pages and between
  /// rounds, and is never zero, so that neither a page in the wrong place nor a stale one passes.
  public static func contents(page: Int, round: Int) -> UInt8 { UInt8((page &* 7 &+ round &* 101) % 251 + 1) }

  /// Nanoseconds of each read, in the order of the reads.
  public func times(order: [UInt32], round: Int) throws(WrongContents) -> [UInt64] {
    var times = [UInt64](repeating: 0, count: order.count)
    for (index, page) in order.enumerated() {
      let began = Clock.now()
      // In bounds: the caller's pages. Between two calls that the compiler cannot look into, so it stays
      // where it is.
      let byte = base.load(fromByteOffset: Int(page) * pageByteCount, as: UInt8.self)
      times[index] = Clock.now() - began
      try check(Int(page), byte, round)
    }
    return times
  }

  /// Mean nanoseconds a page of reading `count` pages from the first on.
  public func sequentialNanosecondsPerPage(count: Int, round: Int) throws(WrongContents) -> Double {
    let began = Clock.now()
    for page in 0..<count {
      try check(page, base.load(fromByteOffset: page * pageByteCount, as: UInt8.self), round)
    }
    return Double(Clock.now() - began) / Double(max(count, 1))
  }

  private func check(_ page: Int, _ found: UInt8, _ round: Int) throws(WrongContents) {
    let expected = Self.contents(page: page, round: round)
    guard found == expected else { throw WrongContents(page: page, found: found, expected: expected) }
  }
}
