import BenchmarkSupport
import Merino
import VerbsFloor

/// The pages of the benchmark, a slice a block and one to warm up with, and the samples so far.
struct FetchMeasurement {
  private let job: BenchmarkJob
  private let pages: HomePages
  private let sliceCount: Int
  private let order: [UInt32]
  private let warmUpOrder: [UInt32]
  private var round = 0

  private var first: [UInt64] = []
  private var refetch: [UInt64] = []
  private var sequential: [UInt64] = []
  private var floors = FetchFloors()
  /// Reads that took longer because they were the first in their chunk: what registration adds.
  private var openings: [UInt64] = []
  private var faults = 0

  init(_ job: BenchmarkJob, _ unit: Int, seed: UInt64) throws {
    self.job = job
    sliceCount = job.options.blockCount(default: 2000)
    // Scattered: in a plain random order a few pages in a hundred happen to be read ahead, and take no fault.
    order = PageOrder.scattered(count: sliceCount, seed: seed)
    warmUpOrder = PageOrder.scattered(count: job.options.warmUpCount, seed: seed + 1)
    pages = try HomePages(
      job, pageByteCount: unit, pageCount: BenchmarkJob.blockCount * sliceCount + warmUpOrder.count)
  }

  mutating func warmUp() throws {
    let slice = BenchmarkJob.blockCount * sliceCount
    for _ in 0..<2 { _ = try read(slice, warmUpOrder) }
  }

  mutating func block(_ block: Int) throws {
    let slice = block % BenchmarkJob.blockCount * sliceCount
    if block < BenchmarkJob.blockCount {
      let times = try read(slice, order)
      first += times
      noteOpenings(slice, times)
      try job.alone { try floors.measure(job, order, pages.pageByteCount, isFirst: true) }
    }
    let before = job.cluster.statistics.readFaults
    refetch += try read(slice, order)
    faults += Int(job.cluster.statistics.readFaults - before)
    try job.alone { try floors.measure(job, order, pages.pageByteCount, isFirst: false) }
    sequential.append(
      try read(slice, PageOrder.sequential(count: sliceCount)).reduce(0, +) / UInt64(sliceCount))
  }

  /// Node 0 writes the slice, node 1 reads it in `order`: nanoseconds of each read, the contents checked.
  private mutating func read(_ slice: Int, _ order: [UInt32]) throws -> [UInt64] {
    round += 1
    try job.atHome { pages.write(from: slice, count: order.count, round: round) }
    var times: [UInt64] = []
    try job.alone { times = try pages.reader(from: slice).times(order: order, round: round) }
    return times
  }

  /// The reads that opened a chunk: this node registered its part of it then, and looked up the home's key.
  private mutating func noteOpenings(_ slice: Int, _ times: [UInt64]) {
    let perChunk = BenchmarkJob.chunkByteCount / pages.pageByteCount
    var seen = Set((0..<slice).map { $0 / perChunk })
    for (page, time) in zip(order, times) where seen.insert((slice + Int(page)) / perChunk).inserted {
      openings.append(time)
    }
  }

  func series(decomposes: Bool) throws -> [Series] {
    let unit = pages.pageByteCount
    let inOrder = sequential.sorted()[sequential.count / 2]
    var facts: [(String, JSON)] = [
      ("faults_per_read", .number(Double(faults) / Double(refetch.count))),
      ("sequential_usec_per_page", .number(Double(inOrder) / 1000)),
    ]
    if decomposes, let parts = try Decomposition(job, order, unit, refetch) { facts += parts.facts }
    let again = try job.latency(
      "refetch", byteCount: unit, refetch, floor: floors.again(unit), facts: facts)
    return [
      try job.latency(
        "first fetch", byteCount: unit, first, floor: floors.first(unit), surcharge: registration(),
        facts: floors.firstFacts), again,
    ]
  }

  /// What opening a chunk took beyond a fetch, spread over the chunk's pages.
  private func registration() -> (nanoseconds: Double, reason: String)? {
    guard !openings.isEmpty, let usual = LatencyStatistics(nanoseconds: first) else { return nil }
    let mean = openings.reduce(0.0) { $0 + max(0, Double($1) - usual.median) } / Double(openings.count)
    let pageCount = max(1, BenchmarkJob.chunkByteCount / pages.pageByteCount)
    return (
      mean / Double(pageCount),
      "opening a chunk took \(fixed(mean / 1000, decimals: 2)) usec more (mean of \(openings.count)), over "
        + "its \(pageCount) pages"
    )
  }
}
