import ArgumentParser
import BenchmarkSupport
import Merino
import VerbsFloor

/// Node 1 reads pages that node 0 has written, one page fault each.
struct FetchLatency: BenchmarkCommand {
  static let name = "fetch-lat"
  static let configuration = CommandConfiguration(
    commandName: calledAs,
    abstract: "Latency of fetching a page on a page fault, against the plain READ and the plain fault.",
    discussion: """
      Start it as a job of two nodes: merino run -n 2 -- \(calledAs)
      -s is the coherence unit in bytes (4096), -n the pages (2000). See docs/benchmarks.md.
      """)

  @OptionGroup var common: CommonOptions

  @Option(help: "Seed of the random order.")
  var seed: UInt64 = 1

  @Flag(
    name: [.customShort("d"), .customLong("decompose")],
    help: "Say where the time of a refetch goes: trap, look-up, post, wire, map, resume.")
  var decomposes = false

  func validate() throws { _ = try common.unitByteCount() }

  func run() throws {
    let unit = try common.unitByteCount()
    try BenchmarkJob.run(Self.self, common, messageByteCount: unit) { job in
      var measurement = try FetchMeasurement(job, unit, seed: seed)
      try measurement.warmUp()
      try job.blocks { try measurement.block($0) }
      return job.isMeasuring ? try measurement.series(decomposes: decomposes) : []
    }
  }
}
