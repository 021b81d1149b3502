/// An array of words in up to 64 parts, so that one word has a bit for each: what is in few of many words is
/// found without a look at all of them, however large the capacity makes the array.
@frozen
public struct Parts: BitwiseCopyable, Sendable {
  @usableFromInline let wordCount: Int
  /// log2 of the words of a part.
  @usableFromInline let shift: Int

  init(wordCount: Int) {
    self.wordCount = wordCount
    let least = (max(wordCount, 1) + 63) / 64
    shift = Int.bitWidth - (least - 1).leadingZeroBitCount
  }

  /// The bit of the part that word `index` is in.
  @inlinable func bit(_ index: Int) -> UInt64 { 1 << UInt64(index >> shift) }

  /// The words of the lowest of these parts, of which there is at least one.
  @inlinable
  func lowest(_ parts: UInt64) -> Range<Int> {
    let first = parts.trailingZeroBitCount << shift
    return first..<min(first + (1 << shift), wordCount)
  }
}
