import ArgumentParser
import BenchmarkSupport
import Merino
import VerbsFloor

/// Node 1 reads pages that node 0 has written: in order, with read-ahead, and by prefetch.
struct FetchBandwidth: BenchmarkCommand {
  static let name = "fetch-bw"
  static let configuration = CommandConfiguration(
    commandName: calledAs,
    abstract: "Bandwidth of reading another node's memory in order, and of prefetching it.",
    discussion: """
      Start it as a job of two nodes: merino run -n 2 -- \(calledAs)
      -s is the coherence unit in bytes (4096), -n the pages (5120). See docs/benchmarks.md.
      """)

  @OptionGroup var common: CommonOptions

  func validate() throws { _ = try common.unitByteCount() }

  func run() throws {
    let unit = try common.unitByteCount()
    try BenchmarkJob.run(Self.self, common, messageByteCount: unit) { job in
      var measurement = try BandwidthMeasurement(job, unit)
      try measurement.warmUp()
      try job.blocks { try measurement.block($0) }
      return job.isMeasuring ? try measurement.series() : []
    }
  }
}

/// A slice of pages a block, and one to warm up with.
struct BandwidthMeasurement {
  private let job: BenchmarkJob
  private let pages: HomePages
  private let sliceCount: Int
  private var round = 0

  private var cold: [UInt64] = []
  private var again: [UInt64] = []
  private var prefetched: [UInt64] = []
  private var floors: [UInt64] = []
  private var faultsBehindPrefetch = 0

  init(_ job: BenchmarkJob, _ unit: Int) throws {
    self.job = job
    sliceCount = job.options.blockCount(default: 5120)
    pages = try HomePages(
      job, pageByteCount: unit,
      pageCount: BenchmarkJob.blockCount * sliceCount + job.options.warmUpCount)
  }

  mutating func warmUp() throws {
    let slice = BenchmarkJob.blockCount * sliceCount
    for _ in 0..<2 { _ = try read(slice, job.options.warmUpCount) }
    _ = try prefetch(slice, job.options.warmUpCount)
  }

  mutating func block(_ block: Int) throws {
    let slice = block % BenchmarkJob.blockCount * sliceCount
    // Each slice is cold once; later blocks of -D read it again.
    if block < BenchmarkJob.blockCount {
      cold += try read(slice, sliceCount)
    }
    try job.alone { floors.append(try floor()) }
    again += try read(slice, sliceCount)
    prefetched += try prefetch(slice, sliceCount)
  }

  private mutating func write(_ slice: Int, _ count: Int) throws {
    round += 1
    try job.atHome { pages.write(from: slice, count: count, round: round) }
  }

  private mutating func read(_ slice: Int, _ count: Int) throws -> [UInt64] {
    try write(slice, count)
    var times: [UInt64] = []
    try job.alone {
      let reader = pages.reader(from: slice)
      let perPage = try reader.sequentialNanosecondsPerPage(count: count, round: round)
      times = [UInt64(perPage * Double(count))]
    }
    return times
  }

  private mutating func prefetch(_ slice: Int, _ count: Int) throws -> [UInt64] {
    try write(slice, count)
    var times: [UInt64] = []
    try job.alone {
      let range = UnsafeRawBufferPointer(start: pages.address(slice), count: count * pages.pageByteCount)
      times = try Clock.times(count: 1) { _ in try job.cluster.prefetch(range) }
      let before = job.cluster.statistics.readFaults
      // The contents are what node 0 wrote, and no page was left out.
      _ = try pages.reader(from: slice).sequentialNanosecondsPerPage(count: count, round: round)
      faultsBehindPrefetch += Int(job.cluster.statistics.readFaults - before)
    }
    return times
  }

  private func floor() throws -> UInt64 {
    if let end = job.floor.end {
      return try end.pipelinedReads(count: sliceCount, byteCount: pages.pageByteCount)
    }
    return CopyFloor.nanoseconds(pageCount: sliceCount, pageByteCount: pages.pageByteCount)
  }

  func series() throws -> [Series] {
    let floorName =
      job.floor.isVerbs
      ? "READs of \(pages.pageByteCount) bytes, 64 in flight" : "copies of \(pages.pageByteCount) bytes"
    func one(_ name: String, _ blocks: [UInt64], _ facts: [(String, JSON)] = []) throws -> Series {
      guard
        let series = BandwidthSeries(
          name: name, byteCount: pages.pageByteCount, pageCount: sliceCount, blocks: blocks,
          floorName: floorName, floorBlocks: floors, facts: facts)
      else { throw ValidationError("\(name): nothing was measured.") }
      return .bandwidth(series)
    }
    return [
      try one("read-ahead, cold", cold), try one("read-ahead, again", again),
      try one("prefetch", prefetched, [("faults_behind_prefetch", .integer(faultsBehindPrefetch))]),
    ]
  }
}
