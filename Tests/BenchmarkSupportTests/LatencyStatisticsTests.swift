import BenchmarkSupport
import Testing

@Suite struct LatencyStatisticsTests {
  /// 1...1002 in any order: perftest drops 1001 and 1002 and counts the rest from zero.
  @Test func theDefinitionsArePerftests() throws {
    let samples = (1...1002).map { UInt64($0) }.reversed()
    let statistics = try #require(LatencyStatistics(nanoseconds: Array(samples)))
    #expect(statistics.count == 1002)
    #expect(statistics.minimum == 1)
    #expect(statistics.maximum == 1001)  // delta[1000]
    #expect(statistics.typical == 500)  // (501 + 500) / 2 in integers
    #expect(statistics.average == 500.5)
    #expect(abs(statistics.standardDeviation - 288.674990) < 1e-5)
    #expect(statistics.percentile99 == 991)  // delta[990]
    #expect(statistics.percentile999 == 1000)  // delta[999]
  }

  @Test func percentilesRoundUp() throws {
    // m = 101: ceil(99.99) = 100, ceil(100.899) = 101, which is the maximum's place.
    let statistics = try #require(LatencyStatistics(nanoseconds: (0..<103).map { UInt64($0) }))
    #expect(statistics.percentile99 == 100)
    #expect(statistics.percentile999 == 101)
    #expect(statistics.maximum == 101)
    #expect(statistics.typical == 50)
  }

  @Test func threeSamplesAreTheLeast() throws {
    #expect(LatencyStatistics(nanoseconds: []) == nil)
    #expect(LatencyStatistics(nanoseconds: [1, 2]) == nil)
    let statistics = try #require(LatencyStatistics(nanoseconds: [9, 3, 5]))
    #expect(statistics.typical == 3)
    #expect(statistics.maximum == 5)
    #expect(statistics.standardDeviation == 0)
  }

  @Test(arguments: [
    (0.0, 2, "0.00"), (0.005, 2, "0.01"), (1.25, 1, "1.3"), (-1.5, 0, "-2"), (-0.001, 2, "0.00"),
    (12345.678, 2, "12345.68"), (0.04, 1, "0.0"), (7, 0, "7"),
  ])
  func numbersAreWrittenWithFixedDecimals(value: Double, decimals: Int, text: String) {
    #expect(fixed(value, decimals: decimals) == text)
  }
}
