import ArgumentParser
import BenchmarkHarness
import BenchmarkSupport
import Merino
import VerbsFloor

/// Nodes 0 and 1 take the lock in turn and count: each hand-over brings the counter's page along. A sample is half the
/// time from one turn of node 1 to its next, with exactly one turn of node 0 between.
struct HandOver {
  private let job: BenchmarkJob
  private let lock: Lock
  private let counter: UnsafeMutableRawPointer
  private let unit: Int
  private let turnCount: Int
  private var total: UInt64 = 0

  private var samples: [UInt64] = []
  private var turns = 0
  private var floors = HandOverFloors()

  init(_ job: BenchmarkJob, _ lock: Lock, _ unit: Int) throws {
    self.job = job
    self.lock = lock
    self.unit = unit
    turnCount = job.options.blockCount(default: 1000) + 1
    counter = try HomePages(job, pageByteCount: unit, pageCount: 1).base
    try job.atHome { counter.storeBytes(of: 0, as: UInt64.self) }
  }

  mutating func warmUp() throws { _ = try take(turns: job.options.warmUpCount) }

  mutating func block() throws {
    let times = try take(turns: turnCount)
    if job.isMeasuring {
      samples += times
      turns += turnCount - 1
    }
    try floors.measure(job, unit, count: turnCount)
  }

  private mutating func take(turns: Int) throws -> [UInt64] {
    var times: [UInt64] = []
    // The first wakes the nodes that sleep in it, so that both come out of the last at about the same time.
    for _ in 0..<3 { try job.cluster.barrier() }
    if job.cluster.node <= 1 {
      var before: (time: UInt64, value: UInt64)?
      for _ in 0..<turns {
        try lock.acquire()
        let now = Clock.now()
        let value = counter.load(as: UInt64.self) + 1
        counter.storeBytes(of: value, as: UInt64.self)
        try lock.release()
        if let before, value == before.value + 2 { times.append((now - before.time) / 2) }
        before = (now, value)
      }
    }
    try job.cluster.barrier()
    total += 2 * UInt64(turns)
    let counted = counter.load(as: UInt64.self)
    guard counted == total else {
      throw ValidationError("the counter is \(counted) after \(total) turns: an update was lost.")
    }
    try job.cluster.barrier()
    return times
  }

  func series() throws -> Series {
    try job.latency(
      "hand-over", byteCount: unit, samples, floor: floors.parts(unit, nodeCount: job.cluster.nodeCount),
      facts: [("turns_in_strict_alternation", .number(Double(samples.count) / Double(turns)))])
  }
}
