import ArgumentParser
import BenchmarkSupport
import Merino
import VerbsFloor

/// Node 1 writes to pages that node 0 is home of, one page fault each.
struct WriteLatency: BenchmarkCommand {
  static let name = "write-lat"
  static let configuration = CommandConfiguration(
    commandName: calledAs,
    abstract: "Latency of the first write to a page, cached here or not.",
    discussion: """
      Start it as a job of two nodes: merino run -n 2 -- \(calledAs)
      -s is the coherence unit in bytes (4096), -n the writes (1000). See docs/benchmarks.md.
      """)

  @OptionGroup var common: CommonOptions

  func validate() throws { _ = try common.unitByteCount() }

  func run() throws {
    let unit = try common.unitByteCount()
    try BenchmarkJob.run(Self.self, common, messageByteCount: unit) { job in
      var measurement = try WriteMeasurement(job, unit)
      try measurement.warmUp()
      try job.blocks { try measurement.block($0) }
      return job.isMeasuring ? try measurement.series() : []
    }
  }
}
