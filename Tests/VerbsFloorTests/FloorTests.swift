import CFakeProvider
import Glibc
import Testing
import Verbs
import VerbsFloor

/// The plain operations on the fake device, both ends in this process on two threads. The fake's switch
/// belongs to a thread, and its devices to the process.
@Suite(.serialized) struct FloorTests {
  /// Both ends of a connection; `body` gets the one that measures and the one that lends its memory.
  private func onFake(_ body: (FloorEnd, FloorEnd) throws -> Void) throws {
    cfake_enable(1)
    defer { cfake_enable(0) }
    let liveBefore = cfake_live()
    let violationsBefore = cfake_order_violations()
    do {
      let (near, far) = try connected()
      try body(near, far)
    }
    #expect(cfake_live() == liveBefore, "something was not closed")
    #expect(cfake_order_violations() == violationsBefore, "a parent was closed before its child")
  }

  private func connected() throws -> (FloorEnd, FloorEnd) {
    let listener = try FloorListener(demand: "fake0:1")
    #expect(listener.host == "192.0.2.1" && listener.port != 0)
    let accepting = Accepting(listener)
    var thread = pthread_t()
    let argument = Unmanaged.passUnretained(accepting).toOpaque()
    pthread_create(
      &thread, nil,
      { argument in
        cfake_enable(1)
        if let argument { Unmanaged<Accepting>.fromOpaque(argument).takeUnretainedValue().run() }
        return nil
      }, argument)
    let near = Result {
      try FloorEnd.connect(
        host: listener.host, port: listener.port, halfByteCount: 8192, timeoutMilliseconds: 5000)
    }
    pthread_join(thread, nil)
    return (try near.get(), try #require(accepting.end))
  }

  @Test(arguments: [
    PlainOperation.read(byteCount: 4096), .markedRead(byteCount: 4096), .twoReads(byteCount: 8),
    .compareAndSwapAndRead(byteCount: 24), .writeAndCompareAndSwap(byteCount: 16),
    .writeAndRead(byteCount: 8), .fetchAdd, .compareAndSwap,
  ])
  func anOperationTakesOneDoorbell(operation: PlainOperation) throws {
    try onFake { near, _ in
      let before = cfake_doorbells()
      let times = try near.times(operation, count: 5)
      #expect(cfake_doorbells() - before == 5)
      #expect(times.total.count == 5 && times.post.count == 5 && times.wire.count == 5)
      for index in 0..<5 { #expect(times.total[index] == times.post[index] + times.wire[index]) }
    }
  }

  @Test func aFaultCarriesTheOperationOut() throws {
    try onFake { near, _ in
      let before = cfake_doorbells()
      let marked = PlainOperation.markedRead(byteCount: 64)
      let times = try near.faults(carryingOut: marked, order: [2, 0, 1], pageByteCount: 4096)
      #expect(times.count == 3)
      #expect(cfake_doorbells() - before == 3)
      cfake_complete_next_with(10)
      #expect(throws: VerbsError.self) {
        try near.faults(carryingOut: .read(byteCount: 64), order: [0], pageByteCount: 4096)
      }
    }
  }

  @Test(arguments: [1, 255, 256, 600, 1000]) func chainedWritesEnd(count: Int) throws {
    try onFake { near, _ in
      let before = cfake_doorbells()
      let times = try near.chainedWrites(count: count, byteCount: 8, rounds: 2)
      #expect(times.count == 2)
      #expect(Int(cfake_doorbells() - before) == 2 * ((count + 255) / 256))
      // All reports were taken: nothing of them is found by the operation after.
      let after = try near.times(.fetchAdd, count: 1)
      #expect(after.total.count == 1)
    }
  }

  @Test func pipelinedReadsEnd() throws {
    try onFake { near, _ in
      for count in [1, 64, 65, 300] {
        let time = try near.pipelinedReads(count: count, byteCount: 4096)
        #expect(time > 0)
      }
      let after = try near.times(.fetchAdd, count: 1)
      #expect(after.total.count == 1)
    }
  }

  @Test func aFailedOperationSaysSo() throws {
    try onFake { near, _ in
      cfake_complete_next_with(10)
      let error = #expect(throws: VerbsError.self) { try near.times(.fetchAdd, count: 1) }
      #expect("\(error as Any)".contains("remote access"))
    }
  }

  @Test func aHostWithoutSuchADeviceSaysSo() {
    cfake_enable(1)
    defer { cfake_enable(0) }
    let error = #expect(throws: VerbsError.self) { try FloorListener(demand: "fake1") }
    #expect("\(error as Any)".contains("not active"))
  }
}

/// The end that waits, on a thread of its own.
private final class Accepting: @unchecked Sendable {
  // Written by the thread and read after it was joined.
  var end: FloorEnd?
  private let listener: FloorListener

  init(_ listener: FloorListener) { self.listener = listener }

  func run() { end = try? listener.accept(halfByteCount: 8192, timeoutMilliseconds: 5000) }
}
