import Coherence
import Glibc
import Node
import Platform
import Testing

@Suite(.timeLimit(.minutes(5)), .serialized)
struct CoarseningTests {
  @Test func theBudgetIsKept() throws {
    let fixture = try Fixture(pages: 8192, budget: 200)
    let view = try fixture.space.attach(0..<4096 * pageBytes, limit: .readWrite)
    let alias = try fixture.space.attach(
      2048 * pageBytes..<8192 * pageBytes, at: freeAddress(1 << 26), limit: .readWrite)
    var random = SplitMix(state: 5)
    var largest = 0
    for step in 0..<1000 {
      let view = Bool.random(using: &random) ? view : alias
      let page = view.globalStart / pageBytes + Int.random(in: 0..<view.byteCount / pageBytes, using: &random)
      fixture.raise(page..<page + 1, Bool.random(using: &random) ? .read : .readWrite, view)
      // The page that was raised is accessible, whatever was lowered for it.
      let address = view.address + UInt(page * pageBytes - view.globalStart)
      if step % 20 == 0 { #expect(kernelPermissions(address) != "---") }
      largest = max(largest, fixture.protection.boundaryCount)
    }
    #expect(largest <= 200)
    #expect(fixture.protection.coarseningCount > 5)
    #expect(fixture.protection.boundaryCount == kernelMappings(view) + kernelMappings(alias) - 2)
    #expect(fixture.protection.failureCode == 0)
  }

  @Test func pinnedPagesStay() throws {
    let fixture = try Fixture(pages: 2048, budget: 64)
    let view = try fixture.space.attach(0..<2048 * pageBytes, limit: .readWrite)
    func raiseOthers(_ access: Access) {
      for page in stride(from: 1, to: 2048, by: 2) where page != 1001 {
        fixture.raise(page..<page + 1, access, view)
      }
    }
    blockingSignals { fixture.protection.setPinned(1000..<1003, true) }
    fixture.raise(1000..<1003, .readWrite, view)
    raiseOthers(.read)
    #expect(kernelProtections(view)[1000..<1003] == ["rw-", "rw-", "rw-"])
    #expect(fixture.protection.coarseningCount > 0)
    blockingSignals { fixture.protection.setPinned(1000..<1003, false) }
    raiseOthers(.readWrite)
    #expect(kernelProtections(view)[1001] == "---")
  }

  /// Boundaries far apart, so that no small window holds many.
  @Test func sparseBoundariesAreFound() throws {
    let pages = 1 << 20
    let fixture = try Fixture(pages: pages, budget: 256)
    let view = try fixture.space.attach(0..<pages * pageBytes, limit: .readWrite)
    for page in stride(from: 0, to: pages, by: 1024) { fixture.raise(page..<page + 1, .read, view) }
    #expect(fixture.protection.boundaryCount <= 256)
    #expect(fixture.protection.boundaryCount == kernelMappings(view) - 1)
    #expect(fixture.protection.coarseningCount > 1)
  }

  /// Long runs: a window of 512 pages has one boundary at most. Wider windows are lowered, not everything.
  @Test func onlyAPartIsLowered() throws {
    let pages = 1 << 20
    let fixture = try Fixture(pages: pages, budget: 256)
    let view = try fixture.space.attach(0..<pages * pageBytes, limit: .readWrite)
    var fewest = Int.max
    for page in stride(from: 0, to: pages - 700, by: 1400) {
      fixture.raise(page..<page + 700, .read, view)
      if fixture.protection.coarseningCount > 0 { fewest = min(fewest, fixture.protection.boundaryCount) }
    }
    #expect(fixture.protection.coarseningCount > 1)
    #expect(fixture.protection.boundaryCount <= 256)
    #expect(fewest >= 128)
  }

  /// Nothing can be lowered but what is around the page being raised: then that is, and the page after it.
  @Test func whenOnlyTheOwnSurroundingsAreLeft() throws {
    let fixture = try Fixture(pages: 32768, budget: 64)
    let view = try fixture.space.attach(0..<32768 * pageBytes, limit: .readWrite)
    let starts = (0..<34).map { 300 + $0 * 900 }
    // The middle last, with boundaries on both sides of it.
    for start in starts.sorted(by: { abs($0 - 15150) > abs($1 - 15150) }) {
      fixture.raise(start..<start + 600, .readWrite, view)
      #expect(fixture.protection.boundaryCount <= 64)
      #expect(kernelPermissions(view.address + UInt(start * pageBytes)) == "rw-")
    }
    #expect(fixture.protection.coarseningCount > 0)
    #expect(fixture.protection.boundaryCount == kernelMappings(view) - 1)
  }

  private func kernelPermissions(_ address: UInt) -> String {
    ProcessMap.regions(overlapping: address..<address + 1).first.map { String($0.permissions.prefix(3)) }
      ?? ""
  }
}
