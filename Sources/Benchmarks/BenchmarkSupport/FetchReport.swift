/// Latencies of one way to read pages, and of the floor below it.
public struct FetchSeries: Sendable {
  /// "refetch", "first touch".
  public let name: String
  /// What was measured, in nanoseconds.
  public let fetches: LatencyStatistics
  /// The floor: the same faults in plain C.
  public let floor: LatencyStatistics

  /// Puts the two together.
  public init(name: String, fetches: LatencyStatistics, floor: LatencyStatistics) {
    self.name = name
    self.fetches = fetches
    self.floor = floor
  }

  /// How many times the floor a fetch takes, by the medians.
  public var ratio: Double { fetches.typical / floor.typical }
}

/// What merino-fetch-lat found out.
public struct FetchReport: Sendable {
  /// Bytes of a page.
  public let pageByteCount: Int
  /// Reads in random order, one fault each.
  public let series: [FetchSeries]
  /// Mean nanoseconds a page of reading all pages in order; `nil` where it was not measured.
  public let sequentialNanosecondsPerPage: Double?

  /// A report of these measurements.
  public init(pageByteCount: Int, series: [FetchSeries], sequentialNanosecondsPerPage: Double?) {
    self.pageByteCount = pageByteCount
    self.series = series
    self.sequentialNanosecondsPerPage = sequentialNanosecondsPerPage
  }

  /// What sequential reading is compared with: the median of the last series' floor (refetch).
  private var sequentialRatio: Double? {
    guard let sequentialNanosecondsPerPage, let last = series.last else { return nil }
    return sequentialNanosecondsPerPage / last.floor.typical
  }

  /// The report as text: for each series perftest's header with the row of the fetches, then the floor's row and the
  /// ratio.
  public var text: String {
    var lines: [String] = []
    for one in series {
      lines.append("\(one.name): one page fault for each page, pages in random order")
      lines.append(LatencyTable.header)
      lines.append(LatencyTable.row(byteCount: pageByteCount, one.fetches))
      lines.append("floor: SIGSEGV, copy and mprotect in plain C")
      lines.append(LatencyTable.row(byteCount: pageByteCount, one.floor))
      lines.append("\(one.name): \(fixed(one.ratio, decimals: 2)) x the floor (medians)")
      lines.append("")
    }
    if let sequentialNanosecondsPerPage, let sequentialRatio {
      let time = fixed(sequentialNanosecondsPerPage / 1000, decimals: 2)
      lines.append("sequential: \(time) usec a page, \(fixed(sequentialRatio, decimals: 2)) x the floor")
      lines.append("")
    }
    return lines.joined(separator: "\n")
  }

  /// The report for programs.
  public var json: JSON {
    var fields: [(String, JSON)] = [
      ("page_bytes", .integer(pageByteCount)),
      (
        "series",
        .array(
          series.map { one in
            .object([
              ("name", .string(one.name)),
              ("fetch", one.fetches.json(byteCount: pageByteCount)),
              ("floor", one.floor.json(byteCount: pageByteCount)),
              ("ratio", .number(one.ratio)),
            ])
          })
      ),
    ]
    if let sequentialNanosecondsPerPage, let sequentialRatio {
      fields.append(("sequential_usec_per_page", .number(sequentialNanosecondsPerPage / 1000)))
      fields.append(("sequential_ratio", .number(sequentialRatio)))
    }
    return .object(fields)
  }
}
