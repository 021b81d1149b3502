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
