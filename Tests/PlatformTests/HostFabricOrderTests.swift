import Fabric
import Glibc
import HostFabric
import Platform
import Testing

/// Runs `body(0)` and `body(1)` on two threads of their own and returns when both have.
func onTwoThreads(_ body: @escaping @Sendable (Int) -> Void) {
  final class Start: Sendable {
    let index: Int
    let body: @Sendable (Int) -> Void
    init(_ index: Int, _ body: @escaping @Sendable (Int) -> Void) {
      self.index = index
      self.body = body
    }
  }
  let threads = (0..<2).map { index -> pthread_t in
    var thread = pthread_t()
    let start = Unmanaged.passRetained(Start(index, body)).toOpaque()
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        start.body(start.index)
        return nil
      }, start)
    precondition(status == 0, "no thread")
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}

/// The two threads meet here, `round` = 1, 2, 3 ...; false after the deadline.
func meet(_ word: AtomicWord, _ round: Int, _ deadlineNanoseconds: UInt64) -> Bool {
  word.fetchAdd(1)
  var backoff = Backoff()
  while word.load() < UInt64(2 * round) {
    if nowNanoseconds() > deadlineNanoseconds { return false }
    backoff.wait()
  }
  return true
}

func nowNanoseconds() -> UInt64 {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}

@Suite("HostFabric: order", .serialized)
struct HostFabricOrderTests {
  /// Store buffering: each thread WRITEs its word and READs the other's, over one connection each.
  /// Both seeing 0 means that a READ passed the WRITE before it.
  @Test("A READ does not pass the WRITE before it", arguments: [true, false])
  func storeBuffering(inOneBatch: Bool) throws {
    let nodes = try HostNodes(count: 2)
    let meeting = AtomicWord(nodes.memories[0].control + 1024)
    let deadline = nowNanoseconds() + 20_000_000_000
    let rounds = 100_000
    onTwoThreads {
      [fabrics = nodes.fabrics, memories = nodes.memories, flights = [nodes.flight(0), nodes.flight(1)]] me in
      let (fabric, flight, control) = (fabrics[me], flights[me], memories[me].control)
      var one: UInt64 = 1
      for round in 1...rounds {
        // Words of this round lie in node 0's frames, a cache line each.
        let base = round % 8192 * 128
        var batch = fabric.open(0, lane: 0)
        guard meet(meeting, round, deadline) else { return }
        fabric.write(&batch, from: &one, byteCount: 8, to: fabric.frame(base + me * 64, at: 0))
        if !inOneBatch {
          fabric.submit(batch, flight)
          batch = fabric.open(0, lane: 0)
        }
        fabric.read(&batch, from: fabric.frame(base + (1 - me) * 64, at: 0), into: control, byteCount: 8)
        fabric.submit(batch, flight)
        // Each thread tells what it saw: results lie in its own frames, one word a round.
        AtomicWord(memories[me].frames + (2 << 20) + round * 8).store(AtomicWord(control).load() + 1)
        // The word to be used 4,096 rounds later is cleared by its writer, far from any race.
        AtomicWord(memories[0].frames + (round + 4096) % 8192 * 128 + me * 64).store(0)
      }
    }
    var completed = 0
    var bothZero = 0
    for round in 1...rounds {
      let saw = nodes.memories.map { AtomicWord($0.frames + (2 << 20) + round * 8).load() }
      if saw.contains(0) { continue }
      completed += 1
      if saw == [1, 1] { bothZero += 1 }
    }
    #expect(completed == rounds, "the deadline passed")
    #expect(bothZero == 0, "of \(completed) rounds")
  }

  /// Message passing: payload and then number, written in one batch and read in one batch. Whoever sees
  /// the number sees its payload or a later one.
  @Test("WRITEs arrive, and READs look, in the order posted")
  func messagePassing() throws {
    let nodes = try HostNodes(count: 2)
    let messages = 500_000
    let deadline = nowNanoseconds() + 20_000_000_000
    onTwoThreads {
      [fabrics = nodes.fabrics, memories = nodes.memories, flights = [nodes.flight(0), nodes.flight(1)]] me in
      let (fabric, flight, control) = (fabrics[me], flights[me], memories[me].control)
      let number = fabric.controlMemory(of: 0).advanced(by: 8192)
      let wrong = AtomicWord(memories[1].frames)
      var last: UInt64 = 0
      guard meet(AtomicWord(memories[0].control + 1024), 1, deadline) else { return }
      if me == 1 {
        for message in 1...UInt64(messages) {
          for word in 0..<16 { AtomicWord(control + word * 8).storeRelaxed(message) }
          var batch = fabric.open(0, lane: 0)
          fabric.write(&batch, from: control, byteCount: 128, to: number.advanced(by: 64))
          fabric.write(&batch, from: control, byteCount: 8, to: number)
          fabric.submit(batch, flight)
        }
        return
      }
      while last < UInt64(messages) && nowNanoseconds() < deadline {
        var batch = fabric.open(0, lane: 0)
        fabric.read(&batch, from: number, into: control, byteCount: 8)
        fabric.read(&batch, from: number.advanced(by: 64), into: control + 64, byteCount: 128)
        fabric.submit(batch, flight)
        last = AtomicWord(control).load()
        for word in 0..<16 where AtomicWord(control + 64 + word * 8).load() < last { wrong.fetchAdd(1) }
      }
      AtomicWord(memories[1].frames + 8).store(last)
    }
    #expect(AtomicWord(nodes.memories[1].frames + 8).load() == UInt64(messages), "the deadline passed")
    #expect(AtomicWord(nodes.memories[1].frames).load() == 0)
  }

  @Test("Words of 8 bytes are never torn, alone or among others, and no fetch-add is lost between two nodes")
  func wordsAndAtomics() throws {
    let nodes = try HostNodes(count: 2)
    let rounds = 500_000
    let deadline = nowNanoseconds() + 20_000_000_000
    onTwoThreads {
      [fabrics = nodes.fabrics, memories = nodes.memories, flights = [nodes.flight(0), nodes.flight(1)]] me in
      let (fabric, flight, control) = (fabrics[me], flights[me], memories[me].control)
      let counter = fabric.controlMemory(of: 0).advanced(by: 4096)
      for word in 0..<3 {
        AtomicWord(control + 64 + word * 8).store(me == 0 ? 0x1111_1111_1111_1111 : 0xEEEE_EEEE_EEEE_EEEE)
      }
      guard meet(AtomicWord(memories[0].control + 1024), 1, deadline) else { return }
      for _ in 0..<rounds {
        var batch = fabric.open(0, lane: 0)
        fabric.fetchAdd(&batch, at: counter, addend: 1, old: control)
        fabric.write(&batch, from: control + 64, byteCount: 24, to: counter.advanced(by: 8))
        fabric.read(&batch, from: counter.advanced(by: 8), into: control + 128, byteCount: 24)
        fabric.submit(batch, flight)
        for word in 0..<3 {
          let seen = AtomicWord(control + 128 + word * 8).load()
          let isWhole = seen == 0x1111_1111_1111_1111 || seen == 0xEEEE_EEEE_EEEE_EEEE
          if !isWhole { AtomicWord(memories[0].control + 8192).fetchAdd(1) }
        }
      }
    }
    #expect(AtomicWord(nodes.memories[0].control + 4096).load() == UInt64(2 * rounds))
    #expect(AtomicWord(nodes.memories[0].control + 8192).load() == 0)
  }
}
