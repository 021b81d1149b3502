/// What a benchmark found out, as text and as JSON.
public struct Report: Sendable {
  /// The program.
  public let benchmark: String
  /// The fabric that Merino used.
  public let fabric: String
  /// Nodes of the job.
  public let nodeCount: Int
  /// Where the floors come from: "verbs" or "host".
  public let floorSource: String
  /// The device, or why there is none: a sentence.
  public let floorNote: String
  /// What was measured.
  public let series: [Series]

  /// Puts it together.
  public init(
    benchmark: String, fabric: String, nodeCount: Int, floorSource: String, floorNote: String,
    series: [Series]
  ) {
    self.benchmark = benchmark
    self.fabric = fabric
    self.nodeCount = nodeCount
    self.floorSource = floorSource
    self.floorNote = floorNote
    self.series = series
  }

  /// Which single results are listed.
  public enum Listing: Sendable {
    /// None.
    case none
    /// All, the shortest first.
    case sorted
    /// All, as they came.
    case unsorted
  }

  /// The report as text: for each series perftest's header with its row, the rows of the floor's parts and
  /// the ratio.
  public func text(_ listing: Listing = .none) -> String {
    var lines = [
      "\(benchmark): \(nodeCount) nodes over the fabric \(fabric); floors from \(floorSource): \(floorNote)",
      "",
    ]
    for one in series {
      switch one {
      case .latency(let series): lines += Self.lines(series, listing)
      case .bandwidth(let series): lines += Self.lines(series)
      }
      lines.append("")
    }
    return lines.joined(separator: "\n")
  }

  private static func lines(_ series: LatencySeries, _ listing: Listing) -> [String] {
    var lines = [series.name]
    if listing != .none {
      let samples = listing == .sorted ? series.samples.sorted() : series.samples
      lines.append("#, usec")
      lines += samples.enumerated().map { "\($0 + 1), \(fixed(Double($1) / 1000, decimals: 3))" }
    }
    lines.append(LatencyTable.header)
    lines.append(LatencyTable.row(byteCount: series.byteCount, series.statistics))
    for (name, value) in series.facts { lines.append("  \(name): \(value)") }
    if let surcharge = series.surcharge {
      lines.append("  and \(fixed(surcharge.nanoseconds / 1000, decimals: 2)) usec: \(surcharge.reason)")
    }
    guard let floor = series.floorNanoseconds, let ratio = series.ratio else {
      return lines + ["  no floor"]
    }
    for part in series.floor {
      let often = part.count == 1 ? "" : "\(fixed(part.count, decimals: 1)) x "
      lines.append("  floor: \(often)\(part.name): \(fixed(part.statistics.median / 1000, decimals: 2)) usec")
    }
    lines.append(
      "\(series.name): \(fixed(ratio, decimals: 2)) x the floor of \(fixed(floor / 1000, decimals: 2)) usec "
        + "(medians)"
    )
    return lines
  }

  private static func lines(_ series: BandwidthSeries) -> [String] {
    var lines = [series.name, BandwidthTable.header, BandwidthTable.row(series, series.blocks)]
    for (name, value) in series.facts { lines.append("  \(name): \(value)") }
    lines.append("floor: \(series.floorName)")
    lines.append(BandwidthTable.row(series, series.floorBlocks))
    lines.append("\(series.name): \(fixed(series.ratio, decimals: 2)) of the floor's bandwidth (medians)")
    return lines
  }

  /// The report for programs.
  public var json: JSON {
    .object([
      ("benchmark", .string(benchmark)), ("fabric", .string(fabric)), ("nodes", .integer(nodeCount)),
      ("floor_source", .string(floorSource)), ("floor_note", .string(floorNote)),
      (
        "series",
        .array(
          series.map { one in
            switch one {
            case .latency(let series): series.json
            case .bandwidth(let series): series.json
            }
          })
      ),
    ])
  }
}

extension LatencySeries {
  /// The series for programs; times in microseconds.
  public var json: JSON {
    var fields: [(String, JSON)] = [
      ("name", .string(name)), ("latency", statistics.json(byteCount: byteCount)),
    ]
    if let surcharge { fields.append(("surcharge_usec", .number(surcharge.nanoseconds / 1000))) }
    fields.append(("figure_usec", .number(figure / 1000)))
    if let floorNanoseconds, let ratio {
      fields.append(("floor_usec", .number(floorNanoseconds / 1000)))
      fields.append(("ratio", .number(ratio)))
    }
    let parts = floor.map { part in
      JSON.object([
        ("name", .string(part.name)), ("count", .number(part.count)),
        ("latency", part.statistics.json(byteCount: byteCount)),
      ])
    }
    fields.append(("floor", .array(parts)))
    if !facts.isEmpty { fields.append(("facts", .object(facts))) }
    return .object(fields)
  }
}

extension BandwidthSeries {
  /// The series for programs; perftest's names, megabytes of 2^20 bytes.
  public var json: JSON {
    var fields: [(String, JSON)] = [
      ("name", .string(name)), ("bandwidth", BandwidthTable.json(self, blocks)),
      ("floor_name", .string(floorName)), ("floor", BandwidthTable.json(self, floorBlocks)),
      ("ratio", .number(ratio)),
    ]
    if !facts.isEmpty { fields.append(("facts", .object(facts))) }
    return .object(fields)
  }
}
