import BenchmarkSupport
import Testing

@Suite struct ReportTests {
  func statistics(_ median: UInt64) throws -> LatencyStatistics {
    try #require(LatencyStatistics(nanoseconds: [median, median, median, median, median]))
  }

  @Test func theColumnsArePerftests() throws {
    let names =
      "#bytes #iterations t_min[usec] t_max[usec] t_typical[usec] t_avg[usec] t_stdev[usec] "
      + "99% percentile[usec] 99.9% percentile[usec]"
    #expect(words(LatencyTable.header).joined(separator: " ") == names)
    let row = try LatencyTable.row(byteCount: 4096, statistics(5130))
    #expect(words(row) == ["4096", "5", "5.13", "5.13", "5.13", "5.13", "0.00", "5.13", "5.13"])
  }

  @Test func valuesBeginBelowTheirColumns() throws {
    let row = Array(try LatencyTable.row(byteCount: 4096, statistics(5130)))
    let header = Array(LatencyTable.header)
    let column = try #require(header.indices.first { header[$0...].starts(with: "t_typical") })
    #expect(row[column...].prefix(4) == ["5", ".", "1", "3"])
  }

  @Test func theRatioIsThatOfTheMedians() throws {
    let series = FetchSeries(name: "refetch", fetches: try statistics(6000), floor: try statistics(5000))
    let report = FetchReport(
      pageByteCount: 4096, series: [series], sequentialNanosecondsPerPage: 1000)
    #expect(report.text.contains("refetch: 1.20 x the floor"))
    #expect(report.text.contains("sequential: 1.00 usec a page, 0.20 x the floor"))
    #expect(report.json.description.contains("\"ratio\": 1.2000"))
    #expect(report.json.description.contains("\"sequential_ratio\": 0.2000"))
    #expect(report.json.description.contains("\"t_typical\": 6.0000"))
  }

  @Test func jsonIsEscaped() {
    let value = JSON.object([("a\"b", .string("x\\y\n\u{1}")), ("n", .array([.integer(-1), .number(.nan)]))])
    #expect(value.description == #"{"a\"b": "x\\y\n\u0001", "n": [-1, null]}"#)
  }

  private func words(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }
}
