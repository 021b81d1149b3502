import ArgumentParser
import BenchmarkHarness
import BenchmarkSupport
import Merino
import VerbsFloor

/// Node 1 writes to pages that node 0 is home of, one page fault each.
struct WriteLatency: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merino-write-lat",
    abstract: "Latency of the first write to a page, cached here or not.",
    discussion: """
      Start it as a job of two nodes: merino run -n 2 -- merino-write-lat
      -s is the coherence unit in bytes (4096), -n the writes (1000). See docs/benchmarks.md.
      """)

  @OptionGroup var common: CommonOptions

  func validate() throws { _ = try common.unitByteCount() }

  func run() throws {
    let unit = try common.unitByteCount()
    try BenchmarkJob.run("merino-write-lat", common, messageByteCount: unit) { job in
      var measurement = try Measurement(job, unit)
      try measurement.warmUp()
      try job.blocks { try measurement.block($0) }
      return job.isMeasuring ? try measurement.series() : []
    }
  }
}

WriteLatency.main()
