import Platform
import Testing

/// Pieces of one block: aligned, one behind the other, and as large without the block as with it.
@Suite struct CarvingTests {
  private func carve(_ carving: inout Carving) -> [(start: UnsafeMutableRawPointer, byteCount: Int)] {
    [1, 64, 0, 65, 4096].map { (carving.take($0), $0) } + [(carving.take(10, align: 4096), 10)]
  }

  @Test func piecesAreAlignedAndDoNotOverlap() {
    let base = UnsafeMutableRawPointer.allocate(byteCount: 3 * 4096, alignment: 4096)
    defer { base.deallocate() }
    var carving = Carving(base)
    let pieces = carve(&carving)
    #expect(pieces[0].start == base)
    for (piece, next) in zip(pieces, pieces.dropFirst()) {
      #expect(piece.start + piece.byteCount <= next.start)
    }
    for piece in pieces { #expect(UInt(bitPattern: piece.start) % 64 == 0) }
    #expect(UInt(bitPattern: pieces[5].start) % 4096 == 0)
    #expect(carving.end == 8192 + 10)
  }

  @Test func withoutABlockItSaysWhatTheyNeed() {
    var measure = Carving()
    _ = carve(&measure)
    #expect(measure.end == 8192 + 10)
    var offsets = Carving(from: 100)
    #expect([offsets.offset(1), offsets.offset(8, align: 8), offsets.offset(1)] == [128, 136, 192])
  }
}
