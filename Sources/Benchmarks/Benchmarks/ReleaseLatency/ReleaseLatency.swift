import ArgumentParser
import BenchmarkSupport
import Merino
import VerbsFloor

/// Which pages node 1 writes, and how much of each.
enum WrittenPattern: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// A word in each of contiguous pages.
  case contiguous
  /// A word in every second page.
  case scattered
  /// Every byte of contiguous pages.
  case full

  var stride: Int { self == .scattered ? 2 : 1 }
}

/// Node 1 writes to pages that node 0 is home of, and releases.
struct ReleaseLatency: BenchmarkCommand {
  static let name = "release-lat"
  static let configuration = CommandConfiguration(
    commandName: calledAs,
    abstract: "Latency of a release by the number of pages written before it.",
    discussion: """
      Start it as a job of two nodes: merino run -n 2 -- \(calledAs)
      -s is the coherence unit in bytes (4096), -n the releases of each kind (20). See docs/benchmarks.md.
      """)

  @OptionGroup var common: CommonOptions

  @Option(help: "Numbers of pages written before a release, with commas.")
  var pages = "1,2,4,8,16,32,64,128,256,512,1000,1024"

  @Option(
    help: "What is written, with commas: \(WrittenPattern.allCases.map(\.rawValue).joined(separator: ", ")).")
  var patterns = WrittenPattern.allCases.map(\.rawValue).joined(separator: ",")

  func validate() throws {
    _ = try common.unitByteCount()
    _ = try pageCounts()
    _ = try chosenPatterns()
  }

  private func pageCounts() throws -> [Int] {
    try pages.split(separator: ",", omittingEmptySubsequences: false).map { text in
      guard let count = Int(text), (1...65_536).contains(count) else {
        throw ValidationError("The pages (--pages) are numbers from 1 to 65,536 with commas, not \(text).")
      }
      return count
    }
  }

  private func chosenPatterns() throws -> [WrittenPattern] {
    try patterns.split(separator: ",", omittingEmptySubsequences: false).map { text in
      guard let pattern = WrittenPattern(rawValue: String(text)) else {
        throw ValidationError(
          "The patterns (--patterns) are contiguous, scattered and full with commas, not \(text).")
      }
      return pattern
    }
  }

  func run() throws {
    let unit = try common.unitByteCount()
    let counts = try pageCounts()
    let kinds = try chosenPatterns().flatMap { pattern in
      counts.map { ReleaseKind(pattern: pattern, pageCount: $0) }
    }
    try BenchmarkJob.run(Self.self, common, messageByteCount: unit) { job in
      var measurement = try ReleaseMeasurement(job, unit, kinds)
      try measurement.warmUp()
      try job.blocksAlone { try measurement.block($0) }
      return job.isMeasuring ? try measurement.series() : []
    }
  }
}
