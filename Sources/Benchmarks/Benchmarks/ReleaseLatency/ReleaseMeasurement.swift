import BenchmarkSupport
import Merino
import VerbsFloor

/// What is written before a release.
struct ReleaseKind {
  let pattern: WrittenPattern
  let pageCount: Int
  var name: String {
    switch pattern {
    case .contiguous: "1 word in each of \(pageCount) contiguous pages"
    case .scattered: "1 word in each of \(pageCount) scattered pages"
    case .full: "\(pageCount) full pages"
    }
  }
}

/// The samples of one kind.
struct ReleaseSamples {
  var releases: [UInt64] = []
  var protects: [UInt64] = []
  var compares: [UInt64] = []
  var writes: [UInt64] = []
  var diffs = 0
}

/// Pages that node 0 is home of and node 1 alone writes while it measures: no barrier meanwhile, where a page
/// that has one writer would move to it.
struct ReleaseMeasurement {
  private let job: BenchmarkJob
  private let pages: HomePages
  private let kinds: [ReleaseKind]
  private let sampleCount: Int
  private var samples: [ReleaseSamples]
  private var value: UInt8 = 0

  init(_ job: BenchmarkJob, _ unit: Int, _ kinds: [ReleaseKind]) throws {
    self.job = job
    self.kinds = kinds
    sampleCount = job.options.blockCount(default: 20)
    samples = Array(repeating: ReleaseSamples(), count: kinds.count)
    let longest = kinds.map { $0.pageCount * $0.pattern.stride }.max() ?? 1
    pages = try HomePages(job, pageByteCount: unit, pageCount: longest)
  }

  /// Node 0 is home of all pages, and node 1 has copies.
  mutating func warmUp() throws {
    try job.atHome { pages.write(from: 0, count: pages.pageCount, round: 1) }
    try job.alone { pages.touch(from: 0, count: pages.pageCount) }
  }

  /// Node 1 alone.
  mutating func block(_ block: Int) throws {
    for index in kinds.indices {
      // Not counted: it gives twins their memory.
      if block == 0 { _ = try release(kinds[index]) }
      for _ in 0..<sampleCount {
        let before = job.cluster.statistics.diffsSent
        samples[index].releases.append(try release(kinds[index]))
        samples[index].diffs += Int(job.cluster.statistics.diffsSent - before)
      }
      try measureFloor(index)
    }
  }

  /// Writes, and nanoseconds of the release alone.
  private mutating func release(_ kind: ReleaseKind) throws -> UInt64 {
    value = value &+ 1
    for index in 0..<kind.pageCount {
      let page = pages.address(index * kind.pattern.stride)
      if kind.pattern == .full {
        page.initializeMemory(as: UInt8.self, repeating: value, count: pages.pageByteCount)
      } else {
        // Every byte of the word changes, so that it is one run of 8 bytes.
        (page + 64).storeBytes(of: UInt64(value) &* 0x0101_0101_0101_0101, as: UInt64.self)
      }
    }
    let began = Clock.now()
    try job.cluster.releaseFence()
    return Clock.now() - began
  }

  private mutating func measureFloor(_ index: Int) throws {
    let kind = kinds[index]
    let local = try ReleaseFloor.measure(
      pageCount: kind.pageCount, pageByteCount: pages.pageByteCount, stride: kind.pattern.stride,
      rounds: max(sampleCount, 1))
    samples[index].protects += local.protect
    samples[index].compares += local.compare
    guard let end = job.floor.end else { return }
    samples[index].writes += try end.chainedWrites(
      count: kind.pageCount, byteCount: kind.pattern == .full ? pages.pageByteCount : 8, rounds: sampleCount)
  }

  func series() throws -> [Series] {
    try zip(kinds, samples).map { kind, samples in
      let protects = kind.pattern.stride == 1 ? "one mprotect" : "\(kind.pageCount) mprotects"
      var floor = [
        FloorPart("memcmp of \(kind.pageCount) pages", nanoseconds: samples.compares),
        FloorPart(protects, nanoseconds: samples.protects),
      ]
      if !samples.writes.isEmpty {
        let byteCount = kind.pattern == .full ? pages.pageByteCount : 8
        floor.append(
          FloorPart("\(kind.pageCount) chained WRITEs of \(byteCount) bytes", nanoseconds: samples.writes))
      }
      return try job.latency(
        kind.name, byteCount: pages.pageByteCount, samples.releases, floor: floor,
        facts: [
          ("pages", .integer(kind.pageCount)), ("pattern", .string(kind.pattern.rawValue)),
          ("diffs_per_release", .number(Double(samples.diffs) / Double(samples.releases.count))),
        ])
    }
  }
}
