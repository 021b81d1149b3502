import ArgumentParser
import BenchmarkSupport
import Merino
import VerbsFloor

/// A lock whose record node 0 is home of: taken by node 1 while it is free, and handed to and fro.
struct LockLatency: BenchmarkCommand {
  static let name = "lock-lat"
  static let configuration = CommandConfiguration(
    commandName: calledAs,
    abstract:
      "Latency of taking and releasing a free lock, and of handing a lock over with a shared counter.",
    discussion: """
      Start it as a job of two nodes: merino run -n 2 -- \(calledAs)
      -s is the coherence unit of the counter's page in bytes (4096), -n the samples (1000). See
      docs/benchmarks.md.
      """)

  @OptionGroup var common: CommonOptions

  func validate() throws { _ = try common.unitByteCount() }

  func run() throws {
    let unit = try common.unitByteCount()
    try BenchmarkJob.run(Self.self, common, messageByteCount: unit) { job in
      // A node makes locks of the records that are homed at it.
      let handle = try job.broadcast(job.cluster.node == 0 ? job.cluster.makeLock().handle : 0)
      let lock = Lock(handle: handle)
      var free = FreeLock(job, lock)
      var handOver = try HandOver(job, lock, unit)
      try free.warmUp()
      try handOver.warmUp()
      try job.blocks { _ in
        try free.block()
        try handOver.block()
      }
      return job.isMeasuring ? try free.series() + [try handOver.series()] : []
    }
  }
}
