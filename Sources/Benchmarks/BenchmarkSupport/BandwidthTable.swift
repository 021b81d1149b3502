/// perftest's table of bandwidths. Its peak is that of the fastest pair of messages; here it is that of the
/// fastest block of pages.
public enum BandwidthTable {
  static let columns = [
    "#bytes", "#iterations", "BW peak[MB/sec]", "BW average[MB/sec]", "MsgRate[Mpps]",
  ]

  /// The line of column names.
  public static var header: String { " " + columns.joined(separator: "    ") }

  /// A megabyte is 2^20 bytes, as for perftest.
  static func megabytesPerSecond(_ series: BandwidthSeries, nanoseconds: Double) -> Double {
    Double(series.byteCount * series.pageCount) / 1_048_576 / (nanoseconds / 1e9)
  }

  private static func values(
    _ series: BandwidthSeries, _ blocks: [UInt64]
  ) -> (
    peak: Double, average: Double, median: Double, rate: Double
  ) {
    let total = Double(blocks.reduce(0, +))
    let average = megabytesPerSecond(series, nanoseconds: total / Double(blocks.count))
    let fastest = Double(blocks.min() ?? 0)
    return (
      megabytesPerSecond(series, nanoseconds: fastest), average,
      megabytesPerSecond(series, nanoseconds: BandwidthSeries.median(blocks)),
      average * 1.048576 / Double(series.byteCount)
    )
  }

  /// One line of values, each beginning below its column's name.
  static func row(_ series: BandwidthSeries, _ blocks: [UInt64]) -> String {
    let v = values(series, blocks)
    let texts = [
      String(series.byteCount), String(series.pageCount * blocks.count), fixed(v.peak, decimals: 2),
      fixed(v.average, decimals: 2), fixed(v.rate, decimals: 6),
    ]
    return LatencyTable.line(texts, below: columns)
  }

  static func json(_ series: BandwidthSeries, _ blocks: [UInt64]) -> JSON {
    let v = values(series, blocks)
    return .object([
      ("MsgSize", .integer(series.byteCount)), ("n_iterations", .integer(series.pageCount * blocks.count)),
      ("BW_peak", .number(v.peak)), ("BW_average", .number(v.average)), ("BW_median", .number(v.median)),
      ("MsgRate", .number(v.rate)),
    ])
  }
}
