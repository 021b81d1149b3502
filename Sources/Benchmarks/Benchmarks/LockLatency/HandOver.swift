import ArgumentParser
import BenchmarkSupport
import Merino
import VerbsFloor

/// Nodes 0 and 1 take the lock in turn and count: each hand-over brings the counter's page along. A sample is
/// half the time from one turn of node 1 to its next, with exactly one turn of node 0 between.
struct HandOver {
  /// After this long node 1 is content with the samples that it has.
  private static let longestNanoseconds: UInt64 = 10_000_000_000
  private let job: BenchmarkJob
  private let lock: Lock
  /// The counter, and behind it the word by which node 1 ends a block.
  private let words: UnsafeMutablePointer<UInt64>
  private let unit: Int
  private let sampleCount: Int

  private var samples: [UInt64] = []
  /// Turns of this node, in all.
  private var turns: UInt64 = 0
  private var measuredTurns = 0
  private var floors = HandOverFloors()

  init(_ job: BenchmarkJob, _ lock: Lock, _ unit: Int) throws {
    self.job = job
    self.lock = lock
    self.unit = unit
    sampleCount = job.options.blockCount(default: 1000)
    let base = try HomePages(job, pageByteCount: unit, pageCount: 1).base
    words = base.assumingMemoryBound(to: UInt64.self)
    try job.atHome { words[0] = 0 }
  }

  mutating func warmUp() throws { _ = try take(samples: job.options.warmUpCount) }

  mutating func block() throws {
    let before = turns
    samples += try take(samples: sampleCount)
    measuredTurns += Int(turns - before)
    try floors.measure(job, unit, count: sampleCount)
  }

  private mutating func take(samples count: Int) throws -> [UInt64] {
    try job.atHome { words[1] = 0 }
    // The barrier of `atHome` woke the nodes that slept in it: out of this one both come at about the same
    // time.
    try job.cluster.barrier()
    var times: [UInt64] = []
    if job.cluster.node <= 1 { try takeTurns(count, &times) }
    try job.cluster.barrier()
    // All turns of all nodes are in the counter: no update was lost.
    let all = try job.cluster.allReduce([turns], .sum)
    guard words[0] == all[0] else {
      throw ValidationError("the counter is \(words[0]) after \(all[0]) turns: an update was lost.")
    }
    try job.cluster.barrier()
    return times
  }

  /// Until node 1 has its samples.
  private mutating func takeTurns(_ count: Int, _ times: inout [UInt64]) throws {
    let began = Clock.now()
    var before: (time: UInt64, value: UInt64)?
    var isLast = false
    while !isLast {
      try lock.acquire()
      let now = Clock.now()
      let value = words[0] + 1
      words[0] = value
      turns += 1
      if let before, value == before.value + 2 { times.append((now - before.time) / 2) }
      before = (now, value)
      if job.isMeasuring, times.count >= count || now - began > Self.longestNanoseconds { words[1] = 1 }
      isLast = words[1] != 0
      try lock.release()
    }
  }

  func series() throws -> Series {
    try job.latency(
      "hand-over", byteCount: unit, samples, floor: floors.parts(unit, nodeCount: job.cluster.nodeCount),
      facts: [("turns_in_strict_alternation", .number(Double(samples.count) / Double(measuredTurns)))])
  }
}
