import BenchmarkSupport
import Testing

@Suite struct ReportTests {
  private func samples(_ median: UInt64) -> [UInt64] { [median, median, median, median, median] }

  private func series(_ median: UInt64, floor: [FloorPart]) throws -> LatencySeries {
    try #require(LatencySeries(name: "refetch", byteCount: 4096, samples: samples(median), floor: floor))
  }

  private func part(_ name: String, count: Double = 1, _ median: UInt64) throws -> FloorPart {
    try #require(FloorPart(name, count: count, nanoseconds: samples(median)))
  }

  private func report(_ series: Series) -> Report {
    Report(
      benchmark: "merino-x-lat", fabric: "host", nodeCount: 2, floorSource: "host", floorNote: "none.",
      series: [series])
  }

  @Test func theColumnsArePerftests() throws {
    let names =
      "#bytes #iterations t_min[usec] t_max[usec] t_typical[usec] t_avg[usec] t_stdev[usec] "
      + "99% percentile[usec] 99.9% percentile[usec]"
    #expect(words(LatencyTable.header).joined(separator: " ") == names)
    let row = LatencyTable.row(byteCount: 4096, try series(5130, floor: []).statistics)
    #expect(words(row) == ["4096", "5", "5.13", "5.13", "5.13", "5.13", "0.00", "5.13", "5.13"])
    #expect(
      words(BandwidthTable.header).joined(separator: " ")
        == "#bytes #iterations BW peak[MB/sec] BW average[MB/sec] MsgRate[Mpps]")
  }

  @Test func valuesBeginBelowTheirColumns() throws {
    let row = Array(LatencyTable.row(byteCount: 4096, try series(5130, floor: []).statistics))
    let header = Array(LatencyTable.header)
    let column = try #require(header.indices.first { header[$0...].starts(with: "t_typical") })
    #expect(row[column...].prefix(4) == ["5", ".", "1", "3"])
  }

  @Test func theRatioIsThatOfTheMediansToTheSumOfTheParts() throws {
    let one = try series(6000, floor: [part("READ", 2000), part("mprotect", count: 1.5, 2000)])
    #expect(one.floorNanoseconds == 5000)
    #expect(one.ratio == 1.2)
    let report = report(.latency(one))
    #expect(report.text().contains("refetch: 1.20 x the floor of 5.00 usec"))
    #expect(report.text().contains("floor: 1.5 x mprotect: 2.00 usec"))
    #expect(report.json.description.contains("\"ratio\": 1.2000"))
    #expect(report.json.description.contains("\"t_median\": 6.0000"))
  }

  @Test func withoutPartsThereIsNoRatio() throws {
    let one = try series(6000, floor: [])
    #expect(one.ratio == nil)
    #expect(report(.latency(one)).text().contains("no floor"))
    #expect(!report(.latency(one)).json.description.contains("\"ratio\""))
  }

  @Test func aSurchargeCountsInTheRatio() throws {
    let one = try #require(
      LatencySeries(
        name: "first", byteCount: 4096, samples: samples(5000), floor: [part("READ", 5000)],
        surcharge: (1000, "registration")))
    #expect(one.figure == 6000)
    #expect(one.ratio == 1.2)
  }

  @Test func theMedianOfFewSamplesIsOfAll() throws {
    // perftest's own leaves the two largest out.
    let statistics = try #require(LatencyStatistics(nanoseconds: [5, 1, 4, 2, 3]))
    #expect(statistics.median == 3)
    #expect(statistics.typical == 2)
  }

  @Test func aBandwidthIsAFractionOfItsFloor() throws {
    // 256 pages of 4096 bytes are a megabyte.
    let one = try #require(
      BandwidthSeries(
        name: "prefetch", byteCount: 4096, pageCount: 256,
        blocks: [2_000_000_000, 4_000_000_000, 2_000_000_000],
        floorName: "READs", floorBlocks: [1_000_000_000]))
    #expect(one.ratio == 0.5)
    let json = report(.bandwidth(one)).json.description
    #expect(json.contains("\"BW_median\": 0.5000"))
    #expect(json.contains("\"BW_average\": 0.3750"))
    #expect(json.contains("\"BW_peak\": 0.5000"))
    #expect(report(.bandwidth(one)).text().contains("prefetch: 0.50 of the floor's bandwidth"))
  }

  @Test func resultsAreListedSortedOrAsTheyCame() throws {
    let one = try #require(
      LatencySeries(name: "x", byteCount: 8, samples: [3000, 1000, 2000], floor: []))
    let report = report(.latency(one))
    #expect(!report.text().contains("#, usec"))
    #expect(report.text(.sorted).contains("#, usec\n1, 1.000\n2, 2.000\n3, 3.000\n"))
    #expect(report.text(.unsorted).contains("#, usec\n1, 3.000\n2, 1.000\n3, 2.000\n"))
  }

  @Test func jsonIsEscaped() {
    let value = JSON.object([("a\"b", .string("x\\y\n\u{1}")), ("n", .array([.integer(-1), .number(.nan)]))])
    #expect(value.description == #"{"a\"b": "x\\y\n\u0001", "n": [-1, null]}"#)
  }

  private func words(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }
}
