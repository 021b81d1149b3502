// Words as they travel between nodes: eight bytes each, low bytes first, whatever the machine's order is.

extension Sequence<UInt64> {
  /// The bytes of the words.
  public var littleEndianBytes: [UInt8] {
    flatMap { word in stride(from: 0, to: 64, by: 8).map { UInt8(truncatingIfNeeded: word >> $0) } }
  }
}

extension Sequence<UInt8> {
  /// The first `count` words that the bytes are of. What is missing at the end is 0, and what is too much is
  /// not looked at: whoever knows how many there must be has counted them.
  public func littleEndianWords(_ count: Int) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: Swift.max(count, 0))
    var byte = 0
    for value in self {
      guard byte < 8 &* words.count else { break }
      // In bounds: just looked at.
      words[byte >> 3] |= UInt64(truncatingIfNeeded: value) << ((byte & 7) &* 8)
      byte &+= 1
    }
    return words
  }
}
