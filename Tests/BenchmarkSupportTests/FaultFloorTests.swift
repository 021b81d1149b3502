import BenchmarkSupport
import Glibc
import Testing

// Serialised: a measurement takes over SIGSEGV while it runs.
@Suite(.serialized) struct FaultFloorTests {
  @Test(arguments: [FaultFloor.Frames.empty, .resident])
  func everyPageTakesAFault(frames: FaultFloor.Frames) throws {
    let order = PageOrder.random(count: 200, seed: 7)
    let times = try FaultFloor.measure(order: order, pageByteCount: 4096, frames: frames)
    #expect(times.count == 200)
    // A signal, a copy and a system call take more than a quarter of a microsecond on any machine; a read
    // that took no fault takes less.
    #expect(times.allSatisfy { $0 > 250 })
  }

  @Test(arguments: [FaultFloor.Access.read, .write, .upgrade], [true, false])
  func everyKindTakesItsFault(access: FaultFloor.Access, copies: Bool) throws {
    let order = PageOrder.random(count: 50, seed: 9)
    let times = try FaultFloor.measure(
      order: order, pageByteCount: 4096, frames: .resident, access: access, copies: copies)
    #expect(times.allSatisfy { $0 > 250 })
  }

  @Test func unmappedFramesTakeTheirFault() throws {
    let times = try FaultFloor.measure(order: [1, 0, 2], pageByteCount: 8192, frames: .unmapped)
    #expect(times.allSatisfy { $0 > 250 })
  }

  @Test func aFaultThatFetchesDoesItOnceAPage() throws {
    var fetches = 0
    let order = PageOrder.random(count: 50, seed: 3)
    let times = try FaultFloor.measure(order: order, pageByteCount: 4096) { fetches += 1 }
    #expect(fetches == 50)
    #expect(times.count == 50 && times.allSatisfy { $0 > 250 })
  }

  @Test func anUpgradeNeedsMemoryThatWasReadable() {
    #expect(throws: FaultFloor.Failure.self) {
      try FaultFloor.measure(order: [0], pageByteCount: 4096, frames: .empty, access: .upgrade)
    }
  }

  @Test func thePartsOfAFaultAreAllThere() throws {
    let parts = try FaultFloor.parts(order: PageOrder.random(count: 20, seed: 2), pageByteCount: 4096)
    for part in [parts.trap, parts.copy, parts.protect, parts.resume] {
      #expect(part.count == 20)
      // Differences of a clock that does not go back: none is a wrapped negative.
      #expect(part.allSatisfy { $0 < 1_000_000_000 })
    }
    #expect(parts.trap.allSatisfy { $0 > 0 })
  }

  @Test(arguments: [1, 2]) func aReleaseIsMeasuredByRounds(stride: Int) throws {
    let floor = try ReleaseFloor.measure(pageCount: 10, pageByteCount: 4096, stride: stride, rounds: 4)
    #expect(floor.protect.count == 4 && floor.protect.allSatisfy { $0 > 0 })
    #expect(floor.compare.count == 4 && floor.compare.allSatisfy { $0 > 0 })
    #expect(throws: FaultFloor.Failure.self) {
      try ReleaseFloor.measure(pageCount: 10, pageByteCount: 100, stride: stride, rounds: 4)
    }
  }

  @Test func theFormerHandlerIsBack() throws {
    // An action that no one else installs, so that one left behind by a measurement is told from it.
    var own = sigaction()
    own.sa_flags = SA_RESTART | Int32(bitPattern: UInt32(SA_NODEFER))
    own.__sigaction_handler.sa_handler = SIG_DFL
    var former = sigaction()
    var after = sigaction()
    sigaction(SIGSEGV, &own, &former)
    _ = try FaultFloor.measure(order: [0, 1, 2], pageByteCount: 4096, frames: .empty)
    sigaction(SIGSEGV, &former, &after)
    let mask = SA_RESTART | Int32(bitPattern: UInt32(SA_NODEFER)) | SA_SIGINFO
    #expect(after.sa_flags & mask == own.sa_flags & mask)
    #expect(after.__sigaction_handler.sa_handler == nil)
  }

  @Test(arguments: [[0, 0], [1, 2], []] as [[UInt32]])
  func aWrongOrderIsRefused(order: [UInt32]) {
    #expect(throws: FaultFloor.Failure.self) {
      try FaultFloor.measure(order: order, pageByteCount: 4096, frames: .empty)
    }
  }

  @Test(arguments: [0, 100, 4097]) func aWrongSizeIsRefused(size: Int) {
    #expect(throws: FaultFloor.Failure.self) {
      try FaultFloor.measure(order: [0], pageByteCount: size, frames: .empty)
    }
  }

  @Test func theOrderIsAPermutationAndRepeatable() {
    let order = PageOrder.random(count: 1000, seed: 3)
    #expect(order.sorted() == PageOrder.sequential(count: 1000))
    #expect(order != PageOrder.sequential(count: 1000))
    #expect(order == PageOrder.random(count: 1000, seed: 3))
    #expect(order != PageOrder.random(count: 1000, seed: 4))
  }

  @Test func aScatteredOrderHasNoSequences() {
    let first = PageOrder.scattered(count: 2000, seed: 5)
    let second = PageOrder.scattered(count: 2000, seed: 6, after: first)
    #expect(first.sorted() == PageOrder.sequential(count: 2000))
    #expect(second.sorted() == PageOrder.sequential(count: 2000))
    let both = first + second
    for index in both.indices {
      let close = both[max(0, index - 20)..<index].filter { $0 < both[index] && both[index] - $0 <= 6 }
      #expect(close == [], "page \(both[index]) is read soon after \(close)")
    }
    #expect(PageOrder.scattered(count: 4, seed: 5).sorted() == [0, 1, 2, 3])
  }
}
