import Coherence
import Glibc
import Node
import Platform
import Testing

@Suite(.timeLimit(.minutes(5)))
struct AttachTests {
  @Test func viewsAreFoundByAddress() throws {
    let fixture = try Fixture(pages: 1024)
    let space = fixture.space
    let first = try space.attach(0..<64 * pageBytes, limit: .readWrite)
    let second = try space.attach(64 * pageBytes..<128 * pageBytes, limit: .read)
    let elsewhere = freeAddress(1 << 20)
    let alias = try space.attach(32 * pageBytes..<96 * pageBytes, at: elsewhere, limit: .readWrite)

    #expect(first.address == space.base && second.address == space.base + UInt(64 * pageBytes))
    #expect(space.translation.count == 3)
    for (view, limit) in [(first, Access.readWrite), (second, .read), (alias, .readWrite)] {
      for offset in [0, 1, pageBytes, view.byteCount - 1] {
        let found = space.translation.lookup(view.address + UInt(offset))
        #expect(found?.view == view.view && found?.limit == limit)
        #expect(found?.globalOffset == view.globalStart + offset)
      }
    }
    #expect(space.translation.lookup(first.address - 1) == nil)
    #expect(space.translation.lookup(second.addressRange.upperBound) == nil)
    #expect(space.translation.lookup(alias.address - 1) == nil)
    #expect(space.translation.lookup(0) == nil && space.translation.lookup(.max) == nil)
    #expect(space.view(containing: alias.address + 5) == alias)
  }

  @Test func overlapsAreRefusedWithASentence() throws {
    let fixture = try Fixture(pages: 256)
    let space = fixture.space
    let view = try space.attach(0..<16 * pageBytes, limit: .readWrite)
    func sentence(_ range: Range<Int>, at address: UInt?) -> String {
      do {
        _ = try space.attach(range, at: address, limit: .readWrite)
        return "attached"
      } catch { return "\(error)" }
    }
    #expect(sentence(8 * pageBytes..<9 * pageBytes, at: nil).contains("the view at"))
    #expect(sentence(0..<16 * pageBytes, at: view.address).contains("the view at"))
    // Inside the reservation, but not where these bytes belong.
    #expect(sentence(0..<pageBytes, at: space.base + UInt(64 * pageBytes)).contains("keeps"))
    let stack = withUnsafeMutablePointer(to: &errno) { UInt(bitPattern: $0) } & ~UInt(pageBytes - 1)
    #expect(sentence(0..<pageBytes, at: stack).contains("is there"))
    #expect(sentence(0..<pageBytes, at: freeAddress(1) + 8).contains("begins at a multiple"))
    #expect(sentence(0..<100, at: nil).contains("whole pages"))
    #expect(sentence(0..<257 * pageBytes, at: nil).contains("whole pages"))
    #expect(space.translation.count == 1)
    #expect(kernelMappings(view) == 1)
  }

  @Test func detachGivesTheAddressesBack() throws {
    let fixture = try Fixture(pages: 256)
    let space = fixture.space
    let elsewhere = freeAddress(1 << 20)
    let view = try space.attach(0..<16 * pageBytes, limit: .readWrite)
    let alias = try space.attach(0..<16 * pageBytes, at: elsewhere, limit: .readWrite)
    fixture.raise(3..<5, .readWrite, view)
    fixture.raise(3..<5, .read, alias)
    #expect(space.protection.boundaryCount == 4)
    try space.detach(view.view)
    #expect(space.protection.boundaryCount == 2)
    #expect(throws: AddressSpaceError.self) { try space.detach(view.view) }
    #expect(ProcessMap.regions(overlapping: view.addressRange).map(\.permissions) == ["---p"])
    try space.detach(alias.view)
    #expect(ProcessMap.regions(overlapping: alias.addressRange).isEmpty)
    // A stale id does nothing to the view that has its place now.
    let again = try space.attach(0..<16 * pageBytes, limit: .readWrite)
    #expect(again.view != view.view)
    fixture.raise(0..<16, .readWrite, view)
    fixture.raise(0..<16, .readWrite, alias)
    #expect(kernelProtections(again) == Array(repeating: "---", count: 16))
    #expect(throws: AddressSpaceError.self) { try space.detach(view.view) }
    try space.detach(again.view)
    #expect(space.protection.boundaryCount == 0)
  }

  @Test func asManyViewsAsTheTableHolds() throws {
    let limit = 4096
    let fixture = try Fixture(pages: 8192, viewLimit: limit)
    let space = fixture.space
    var views: [ViewExtent] = []
    for index in 0..<limit {
      views.append(try space.attach(2 * index * pageBytes..<(2 * index + 1) * pageBytes, limit: .readWrite))
    }
    let error = #expect(throws: AddressSpaceError.self) {
      _ = try space.attach(pageBytes..<2 * pageBytes, limit: .readWrite)
    }
    guard case .tooManyViews(limit) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    for view in views { #expect(space.translation.lookup(view.address + 1)?.view == view.view) }
    #expect(space.translation.lookup(views[7].address + UInt(pageBytes)) == nil)
    fixture.raise(0..<8192, .read, views[100])
    #expect(kernelProtections(views[100]) == ["r--"])
    fixture.lower(0..<8192, .none)
    #expect(kernelProtections(views[100]) == ["---"])
    try space.detach(views[4000].view)
    _ = try space.attach(pageBytes..<2 * pageBytes, limit: .readWrite)
  }

  @Test func endingTheSpaceUnmapsEverything() throws {
    let range: Range<UInt>
    let elsewhere = freeAddress(1 << 20)
    do {
      let fixture = try Fixture(pages: 64)
      _ = try fixture.space.attach(0..<pageBytes, limit: .read)
      _ = try fixture.space.attach(0..<pageBytes, at: elsewhere, limit: .read)
      range = fixture.space.base..<fixture.space.base + UInt(64 * pageBytes)
    }
    #expect(ProcessMap.regions(overlapping: range).isEmpty)
    #expect(ProcessMap.regions(overlapping: elsewhere..<elsewhere + 1).isEmpty)
  }

  @Test func pagesMustFitTheSystem() throws {
    let frames = try SharedMemoryFile(named: "merino-test", byteCount: 1 << 20)
    for page in [1024, 6000, 0, 12288] {
      let error = #expect(throws: AddressSpaceError.self) {
        let reservation = try AddressReservation(base: freeAddress(1 << 20), byteCount: 1 << 20)
        _ = try SharedAddressSpace(
          frames: frames.descriptor, reservation: reservation, pageByteCount: page)
      }
      #expect(error?.description.contains("pages of \(page) bytes") == true)
    }
  }
}
