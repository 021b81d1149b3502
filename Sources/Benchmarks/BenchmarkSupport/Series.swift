/// A plain operation that a step cannot do without, and how often.
public struct FloorPart: Sendable {
  /// What it is: "READ of 4096 bytes".
  public let name: String
  /// How many of it the step needs.
  public let count: Double
  /// What it took, in nanoseconds, in the same run.
  public let statistics: LatencyStatistics

  /// A part of a floor; nil for fewer than three samples.
  public init?(_ name: String, count: Double = 1, nanoseconds: [UInt64]) {
    guard let statistics = LatencyStatistics(nanoseconds: nanoseconds) else { return nil }
    self.name = name
    self.count = count
    self.statistics = statistics
  }
}

/// Latencies of one step, and the floor below it.
public struct LatencySeries: Sendable {
  /// "refetch", "acquire".
  public let name: String
  /// Bytes that it is about, perftest's first column.
  public let byteCount: Int
  /// The samples in nanoseconds, in the order in which they were taken.
  public let samples: [UInt64]
  /// What they come to.
  public let statistics: LatencyStatistics
  /// The plain operations that the step needs; empty where there is nothing to compare with.
  public let floor: [FloorPart]
  /// What is added to the median before it is compared with the floor, in nanoseconds, and why.
  public let surcharge: (nanoseconds: Double, reason: String)?
  /// Plain facts to report beside: counts, times of its own.
  public let facts: [(String, JSON)]

  /// Puts them together; nil for fewer than three samples.
  public init?(
    name: String, byteCount: Int, samples: [UInt64], floor: [FloorPart],
    surcharge: (nanoseconds: Double, reason: String)? = nil, facts: [(String, JSON)] = []
  ) {
    guard let statistics = LatencyStatistics(nanoseconds: samples) else { return nil }
    self.name = name
    self.byteCount = byteCount
    self.samples = samples
    self.statistics = statistics
    self.floor = floor
    self.surcharge = surcharge
    self.facts = facts
  }

  /// The median, with the surcharge.
  public var figure: Double { statistics.median + (surcharge?.nanoseconds ?? 0) }

  /// The sum of the parts' medians; nil without parts.
  public var floorNanoseconds: Double? {
    floor.isEmpty ? nil : floor.reduce(0) { $0 + $1.count * $1.statistics.median }
  }

  /// How many times the floor the step takes.
  public var ratio: Double? { floorNanoseconds.map { figure / $0 } }
}

/// Bandwidths of one way to move bytes, and the floor, which here is a ceiling.
public struct BandwidthSeries: Sendable {
  /// "read-ahead", "prefetch".
  public let name: String
  /// Bytes of a page.
  public let byteCount: Int
  /// Pages moved in one block, and the nanoseconds of each block.
  public let pageCount: Int
  /// Nanoseconds of each block.
  public let blocks: [UInt64]
  /// What plain operations took for as many pages.
  public let floorBlocks: [UInt64]
  /// What the plain operations are: "READs of 4096 bytes, 64 in flight".
  public let floorName: String
  /// Plain facts to report beside.
  public let facts: [(String, JSON)]

  /// Puts them together; nil without blocks.
  public init?(
    name: String, byteCount: Int, pageCount: Int, blocks: [UInt64], floorName: String, floorBlocks: [UInt64],
    facts: [(String, JSON)] = []
  ) {
    guard !blocks.isEmpty, !floorBlocks.isEmpty, pageCount > 0 else { return nil }
    self.name = name
    self.byteCount = byteCount
    self.pageCount = pageCount
    self.blocks = blocks
    self.floorBlocks = floorBlocks
    self.floorName = floorName
    self.facts = facts
  }

  /// The bandwidth as a fraction of the plain operations', by the medians of the blocks.
  public var ratio: Double { Self.median(floorBlocks) / Self.median(blocks) }

  static func median(_ values: [UInt64]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1
      ? Double(sorted[middle]) : (Double(sorted[middle - 1]) + Double(sorted[middle])) / 2
  }
}

/// What a benchmark measured.
public enum Series: Sendable {
  /// Times of single steps.
  case latency(LatencySeries)
  /// Times of many bytes.
  case bandwidth(BandwidthSeries)
}
