/// perftest's table of latencies: the columns that every RDMA user knows.
public enum LatencyTable {
  static let columns = [
    "#bytes", "#iterations", "t_min[usec]", "t_max[usec]", "t_typical[usec]", "t_avg[usec]", "t_stdev[usec]",
    "99% percentile[usec]", "99.9% percentile[usec]",
  ]

  /// The line of column names.
  public static var header: String { " " + columns.joined(separator: "    ") }

  /// One line of values, each beginning below its column's name.
  public static func row(byteCount: Int, _ statistics: LatencyStatistics) -> String {
    let values =
      [String(byteCount), String(statistics.count)]
      + [
        statistics.minimum, statistics.maximum, statistics.typical, statistics.average,
        statistics.standardDeviation, statistics.percentile99, statistics.percentile999,
      ].map { fixed($0 / 1000, decimals: 2) }
    return line(values, below: columns)
  }

  /// Values, each beginning below its column's name.
  static func line(_ values: [String], below columns: [String]) -> String {
    let cells = zip(columns, values).map { column, value in
      value + String(repeating: " ", count: max(0, column.utf8.count - value.utf8.count))
    }
    var line = " " + cells.joined(separator: "    ")
    while line.last == " " { line.removeLast() }
    return line
  }
}

/// A finite number with a fixed number of decimals, rounded half away from zero:
/// `fixed(1.005e3, decimals: 2)` is "1005.00".
public func fixed(_ value: Double, decimals: Int) -> String {
  guard value.isFinite else { return "\(value)" }
  var scale = 1.0
  for _ in 0..<decimals { scale *= 10 }
  let scaled = (value.magnitude * scale).rounded(.toNearestOrAwayFromZero)
  guard scaled < 9e15 else { return "\(value)" }
  let digits = String(UInt64(scaled))
  let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.utf8.count)) + digits
  let sign = value < 0 && scaled > 0 ? "-" : ""
  return decimals == 0 ? sign + padded : sign + padded.dropLast(decimals) + "." + padded.suffix(decimals)
}
