import Platform
import Testing

/// Words on the wire: low bytes first, and what is not there is 0.
@Suite struct WireWordsTests {
  @Test func wordsComeBack() {
    let words: [UInt64] = [0x0807_0605_0403_0201, 0, ~0]
    #expect(words.littleEndianBytes.prefix(9) == [1, 2, 3, 4, 5, 6, 7, 8, 0])
    #expect(words.littleEndianBytes.count == 24)
    #expect(words.littleEndianBytes.littleEndianWords(3) == words)
  }

  @Test func anyBytesAreRead() {
    #expect([UInt8]().littleEndianWords(2) == [0, 0])
    #expect(([1, 2, 3] as [UInt8]).littleEndianWords(2) == [0x030201, 0])
    #expect([UInt8](repeating: 255, count: 17).littleEndianWords(1) == [~0])
    #expect(([1] as [UInt8]).littleEndianWords(0) == [] && ([1] as [UInt8]).littleEndianWords(-1) == [])
  }
}
