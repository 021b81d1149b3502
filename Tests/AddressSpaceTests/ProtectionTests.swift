import Coherence
import Glibc
import Node
import Platform
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ProtectionTests {
  @Test func raisingIsForOneViewLoweringForAll() throws {
    let fixture = try Fixture(pages: 64)
    let view = try fixture.space.attach(0..<16 * pageBytes, limit: .readWrite)
    let shifted = try fixture.space.attach(
      8 * pageBytes..<24 * pageBytes, at: freeAddress(1 << 20), limit: .readWrite)
    let readonly = try fixture.space.attach(0..<16 * pageBytes, at: freeAddress(1 << 20), limit: .read)

    fixture.raise(8..<12, .readWrite, view)
    #expect(kernelProtections(view)[7..<13] == ["---", "rw-", "rw-", "rw-", "rw-", "---"])
    #expect(Set(kernelProtections(shifted) + kernelProtections(readonly)) == ["---"])
    // Beyond the view: what lies in it.
    fixture.raise(4..<64, .readWrite, shifted)
    #expect(kernelProtections(shifted) == Array(repeating: "rw-", count: 16))
    // Capped by the view's limit.
    fixture.raise(8..<12, .readWrite, readonly)
    #expect(kernelProtections(readonly)[7..<13] == ["---", "r--", "r--", "r--", "r--", "---"])

    fixture.lower(10..<11, .read)
    #expect(kernelProtections(view)[9..<12] == ["rw-", "r--", "rw-"])
    #expect(kernelProtections(shifted)[1..<4] == ["rw-", "r--", "rw-"])
    #expect(kernelProtections(readonly)[9..<12] == ["r--", "r--", "r--"])
    fixture.lower(0..<64, .none)
    for each in [view, shifted, readonly] {
      #expect(kernelProtections(each) == Array(repeating: "---", count: 16))
    }
    #expect(fixture.protection.failureCode == 0)
  }

  @Test func aLongViewIsFoundBehindShortOnes() throws {
    let fixture = try Fixture(pages: 64)
    let long = try fixture.space.attach(0..<64 * pageBytes, at: freeAddress(1 << 20), limit: .readWrite)
    for page in [8, 10, 12] {
      _ = try fixture.space.attach(page * pageBytes..<(page + 1) * pageBytes, limit: .readWrite)
    }
    fixture.raise(20..<22, .readWrite, long)
    fixture.lower(20..<21, .none)
    #expect(kernelProtections(long)[19..<23] == ["---", "---", "rw-", "---"])
  }

  @Test func raisingNeverLowersAndLoweringNeverRaises() throws {
    let fixture = try Fixture(pages: 64)
    let view = try fixture.space.attach(0..<64 * pageBytes, limit: .readWrite)
    fixture.raise(4..<8, .readWrite, view)
    fixture.raise(0..<12, .read, view)
    #expect(
      kernelProtections(view)[0..<13] == [
        "r--", "r--", "r--", "r--", "rw-", "rw-", "rw-", "rw-", "r--", "r--", "r--", "r--", "---",
      ])
    fixture.lower(0..<64, .read)
    #expect(
      kernelProtections(view)[0..<13] == [
        "r--", "r--", "r--", "r--", "r--", "r--", "r--", "r--", "r--", "r--", "r--", "r--", "---",
      ])
    #expect(fixture.protection.boundaryCount == 1)
  }

  @Test func nothingIsCalledWhereNothingChanges() throws {
    let fixture = try Fixture(pages: 4096)
    let view = try fixture.space.attach(0..<4096 * pageBytes, limit: .readWrite)
    func calls(_ body: () -> Void) -> Int {
      let before = fixture.protection.mprotectCallCount
      body()
      return fixture.protection.mprotectCallCount - before
    }
    #expect(calls { fixture.lower(0..<4096, .none) } == 0)
    #expect(calls { fixture.raise(0..<512, .read, view) } == 1)
    #expect(calls { fixture.raise(0..<512, .read, view) } == 0)
    #expect(calls { fixture.raise(600..<700, .read, view) } == 1)
    // Over a short gap that is at the target already: one call.
    #expect(calls { fixture.raise(500..<513, .readWrite, view) } == 1)
    #expect(calls { fixture.lower(0..<512, .read) } == 1)
    #expect(
      calls {
        for page in stride(from: 1000, to: 1040, by: 2) { fixture.raise(page..<page + 1, .read, view) }
      } == 20)
    #expect(calls { fixture.lower(1000..<1040, .none) } == 1)
    // Pages in between that are below the target stay so: two calls.
    #expect(calls { fixture.lower(500..<700, .none) } == 2)
  }

  @Test func theCountIsTheKernels() throws {
    let fixture = try Fixture(pages: 2048)
    // Not next to each other, or the kernel would merge their ends.
    let first = try fixture.space.attach(0..<1000 * pageBytes, limit: .readWrite)
    let second = try fixture.space.attach(
      500 * pageBytes..<2048 * pageBytes, at: freeAddress(1 << 24), limit: .readWrite)
    let third = try fixture.space.attach(0..<2048 * pageBytes, at: freeAddress(1 << 24), limit: .read)
    var model = [first.view: 1000, second.view: 1548, third.view: 2048].mapValues {
      Array(repeating: Access.none, count: $0)
    }
    var random = SplitMix(state: 20)
    let names: [Access: String] = [.none: "---", .read: "r--", .readWrite: "rw-"]
    for step in 1...2000 {
      let start = Int.random(in: 0..<2048, using: &random)
      let range = start..<min(start + Int.random(in: 1...40, using: &random), 2048)
      let access = [Access.none, .read, .readWrite].randomElement(using: &random) ?? .none
      let views = [first, second, third]
      let raised = Int.random(in: 0..<5, using: &random)
      if raised < 3 { fixture.raise(range, access, views[raised]) } else { fixture.lower(range, access) }
      for (index, view) in views.enumerated() where raised >= 3 || raised == index {
        for page in range {
          let position = page - view.globalStart / pageBytes
          guard let old = model[view.view], old.indices.contains(position) else { continue }
          model[view.view]?[position] =
            raised < 3 ? max(old[position], min(access, view.limit)) : min(old[position], access)
        }
      }
      guard step % 100 == 0 else { continue }
      var boundaries = 0
      for view in views {
        let expected = model[view.view]?.map { names[$0] ?? "" }
        #expect(kernelProtections(view) == expected, "step \(step)")
        boundaries += kernelMappings(view) - 1
      }
      #expect(fixture.protection.boundaryCount == boundaries, "step \(step)")
    }
    #expect(fixture.protection.coarseningCount == 0)
  }

  @Test func discardedFramesReadAsZeros() throws {
    let fixture = try Fixture(pages: 64)
    let memory = try fixture.frames.mapSystemView()
    defer { fixture.frames.unmapSystemView(memory) }
    memset(memory, 0x55, 64 * pageBytes)
    fixture.protection.discardFrames(8..<40)
    #expect(try fixture.frames.allocatedByteCount() == 32 * pageBytes)
    #expect(memory.load(fromByteOffset: 8 * pageBytes, as: UInt8.self) == 0)
    #expect(memory.load(fromByteOffset: 40 * pageBytes - 1, as: UInt8.self) == 0)
    #expect(memory.load(fromByteOffset: 8 * pageBytes - 1, as: UInt8.self) == 0x55)
    #expect(memory.load(fromByteOffset: 40 * pageBytes, as: UInt8.self) == 0x55)
    #expect(fixture.protection.failureCode == 0)
  }

  @Test func aFailureIsReported() throws {
    let fixture = try Fixture(pages: 64)
    let view = try fixture.space.attach(0..<64 * pageBytes, limit: .readWrite)
    munmap(UnsafeMutableRawPointer(bitPattern: view.address), pageBytes)
    fixture.raise(1..<2, .read, view)
    #expect(fixture.protection.failureCode == 0)
    fixture.raise(0..<1, .read, view)
    #expect(fixture.protection.failureCode == ENOMEM)
  }
}
