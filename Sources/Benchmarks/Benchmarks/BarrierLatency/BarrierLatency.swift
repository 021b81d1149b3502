import ArgumentParser
import BenchmarkSupport
import Merino
import VerbsFloor

/// All nodes meet, with nothing written in between.
struct BarrierLatency: BenchmarkCommand {
  static let name = "barrier-lat"
  static let configuration = CommandConfiguration(
    commandName: calledAs,
    abstract: "Latency of the barrier of all nodes with nothing to release.",
    discussion: """
      Start it as a job of two nodes or more: merino run -n 2 -- \(calledAs)
      -s is the length in bytes of the WRITE that it is compared with (64), -n the barriers (1000). See
      docs/benchmarks.md.
      """)

  @OptionGroup var common: CommonOptions

  func validate() throws { _ = try messageByteCount() }

  private func messageByteCount() throws -> Int { try common.size(default: 64, in: 1...65_536) }

  func run() throws {
    let message = try messageByteCount()
    try BenchmarkJob.run(Self.self, common, messageByteCount: message) { job in
      let count = common.blockCount(default: 1000)
      var barriers: [UInt64] = []
      var writes: [UInt64] = []
      for _ in 0..<common.warmUpCount { try job.cluster.barrier() }
      try job.blocks { _ in
        try job.cluster.barrier()
        barriers += try Clock.times(count: count) { _ in try job.cluster.barrier() }
        writes += try job.pingPong(byteCount: message, count: count)
      }
      guard job.isMeasuring else { return [] }
      // A round tells one node; after ceil(log2 N) rounds all have been told.
      let rounds = Int.bitWidth - (job.cluster.nodeCount - 1).leadingZeroBitCount
      let floor =
        writes.isEmpty
        ? [] : [FloorPart("one-way WRITE of \(message) bytes", count: Double(rounds), nanoseconds: writes)]
      return [try job.latency("barrier", byteCount: message, barriers, floor: floor)]
    }
  }
}
