import BenchmarkSupport
import Merino
import VerbsFloor

/// A slice of pages a block and one to warm up with, and the samples so far.
struct WriteMeasurement {
  private let job: BenchmarkJob
  private let pages: HomePages
  private let sliceCount: Int
  private let order: [UInt32]

  private var cached: [UInt64] = []
  private var uncached: [UInt64] = []
  private var upgradeFaults: [UInt64] = []
  private var writeFaults: [UInt64] = []
  private var reads: [UInt64] = []
  private var twins = 0

  init(_ job: BenchmarkJob, _ unit: Int) throws {
    self.job = job
    sliceCount = job.options.blockCount(default: 1000)
    order = PageOrder.scattered(count: sliceCount, seed: 1)
    pages = try HomePages(
      job, pageByteCount: unit,
      pageCount: BenchmarkJob.blockCount * sliceCount + job.options.warmUpCount)
  }

  mutating func warmUp() throws {
    let slice = BenchmarkJob.blockCount * sliceCount
    let order = PageOrder.scattered(count: job.options.warmUpCount, seed: 2)
    for _ in 0..<2 { _ = try writeUncached(slice, order) }
  }

  mutating func block(_ block: Int) throws {
    let slice = block % BenchmarkJob.blockCount * sliceCount
    // Once before: twins have memory then, as in any program's steady state.
    if block < BenchmarkJob.blockCount { _ = try writeUncached(slice, order) }
    uncached += try writeUncached(slice, order)
    try job.alone {
      writeFaults += try FaultFloor.measure(
        order: order, pageByteCount: pages.pageByteCount, frames: .resident, access: .write)
      if let end = job.floor.end {
        reads += try end.times(.read(byteCount: pages.pageByteCount), count: sliceCount).total
      }
    }
    cached += try writeCached(slice)
    try job.alone {
      upgradeFaults += try FaultFloor.measure(
        order: order, pageByteCount: pages.pageByteCount, frames: .resident, access: .upgrade)
    }
  }

  /// Node 0 is home again of what node 1 wrote before, and has written it since node 1 read it.
  private func bringHome(_ slice: Int, _ count: Int) throws {
    // The only writer between two barriers becomes home, so this brings home what moved to node 1.
    for round in 1...2 { try job.atHome { pages.write(from: slice, count: count, round: round) } }
  }

  private mutating func writeUncached(_ slice: Int, _ order: [UInt32]) throws -> [UInt64] {
    try bringHome(slice, order.count)
    if job.isMeasuring { pages.touch(from: slice, count: order.count) }
    try job.cluster.barrier()
    try job.atHome { pages.write(from: slice, count: order.count, round: 3) }
    var times: [UInt64] = []
    try job.alone { times = store(slice, order, value: 1) }
    return times
  }

  /// Node 1 alone: a release makes the pages clean, and the next write to each is its first.
  private mutating func writeCached(_ slice: Int) throws -> [UInt64] {
    try bringHome(slice, sliceCount)
    var times: [UInt64] = []
    try job.alone {
      pages.touch(from: slice, count: sliceCount)
      let before = job.cluster.statistics.twins
      times = store(slice, order, value: 2)
      twins += Int(job.cluster.statistics.twins - before)
    }
    return times
  }

  /// Nanoseconds of a store to each page.
  private func store(_ slice: Int, _ order: [UInt32], value: UInt8) -> [UInt64] {
    Clock.times(count: order.count) { index in
      (pages.address(slice + Int(order[index])) + 8).storeBytes(of: value, as: UInt8.self)
    }
  }

  func series() throws -> [Series] {
    let unit = pages.pageByteCount
    let fault = FloorPart("page fault: signal, copy, mprotect", nanoseconds: writeFaults)
    let read = reads.isEmpty ? [] : [FloorPart("READ of \(unit) bytes", nanoseconds: reads)]
    return [
      try job.latency(
        "first write to a cached page", byteCount: unit, cached,
        floor: [FloorPart("page fault: signal, copy, mprotect", nanoseconds: upgradeFaults)],
        facts: [("twins_per_write", .number(Double(twins) / Double(cached.count)))]),
      try job.latency("write to an uncached page", byteCount: unit, uncached, floor: read + [fault]),
    ]
  }
}
