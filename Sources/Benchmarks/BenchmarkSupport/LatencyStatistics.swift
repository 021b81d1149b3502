/// What perftest reports of a series of latencies, by perftest's own definitions (`print_report_lat`), in
/// nanoseconds.
///
/// perftest sorts the samples and leaves the two largest out of everything but the maximum: with `m` the
/// number of samples less two, the median and the average are those of the first `m`, the percentiles are
/// sample `ceil(0.99 m)` and `ceil(0.999 m)` counted from zero, and the maximum is sample `m`, which is the
/// second largest. The one difference: perftest cuts each deviation to whole units before it squares
/// it; here the standard deviation is the exact one.
public struct LatencyStatistics: Equatable, Sendable {
  /// Samples that went in.
  public let count: Int
  /// The smallest sample.
  public let minimum: Double
  /// perftest's maximum: the second largest sample.
  public let maximum: Double
  /// The median of what perftest keeps, its "t_typical".
  public let typical: Double
  /// The median of all samples: what ratios are made of, since two samples less matter where there are few.
  public let median: Double
  /// The mean.
  public let average: Double
  /// The standard deviation of the population.
  public let standardDeviation: Double
  /// The 99th percentile.
  public let percentile99: Double
  /// The 99.9th percentile.
  public let percentile999: Double

  /// Samples that perftest drops at the upper end.
  static let tail = 2

  /// Computes the statistics of latencies in nanoseconds, in any order. `nil` for fewer than three.
  public init?(nanoseconds: [UInt64]) {
    guard nanoseconds.count > Self.tail else { return nil }
    let sorted = nanoseconds.sorted()
    let measured = sorted.count - Self.tail
    let body = sorted[..<measured]
    let mean = body.reduce(0.0) { $0 + Double($1) } / Double(measured)
    let squares = body.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) }

    count = sorted.count
    minimum = Double(sorted[0])
    maximum = Double(sorted[measured])
    typical = Self.median(body)
    median = Self.median(sorted[...])
    average = mean
    standardDeviation = (squares / Double(measured)).squareRoot()
    percentile99 = Double(sorted[Self.index(ofThousandth: 990, of: measured)])
    percentile999 = Double(sorted[Self.index(ofThousandth: 999, of: measured)])
  }

  /// perftest's `get_median`, in whole nanoseconds as perftest's is in whole cycles.
  private static func median(_ sorted: ArraySlice<UInt64>) -> Double {
    let count = sorted.count
    if count % 2 == 0 { return Double((sorted[count / 2] + sorted[count / 2 - 1]) / 2) }
    return Double(sorted[count / 2])
  }

  /// `ceil(measured * thousandths / 1000)` in integers: at most `measured`, which the tail makes an index.
  private static func index(ofThousandth thousandths: Int, of measured: Int) -> Int {
    (measured * thousandths + 999) / 1000
  }
}
