import ArgumentParser
import BenchmarkSupport
import Glibc
import Merino
import VerbsFloor

/// A benchmark as a job of at least two nodes. Node 1 measures; node 0 is home of the memory; others only
/// meet the barriers.
final class BenchmarkJob {
  /// Alternations between the step and its floor: so both see the same disturbances.
  static let blockCount = 5
  /// Bytes of a chunk, the unit of registration (docs/protocol.md).
  static let chunkByteCount = 2 << 20

  /// In its report, and of its memory: the same whether it was called by a link or by `merino bench`.
  let name: String
  /// This node's membership.
  let cluster: Cluster
  /// The options given.
  let options: CommonOptions
  /// What plain operations are measured with.
  let floor: Floor

  /// Whether this node takes the times.
  var isMeasuring: Bool { cluster.node == 1 }

  private init(
    _ command: any BenchmarkCommand.Type, _ options: CommonOptions, messageByteCount: Int
  ) throws {
    name = command.linkName
    self.options = options
    cluster = try Cluster.join()
    guard cluster.nodeCount >= 2 else {
      try cluster.finalize()
      throw ValidationError("It takes two nodes: merino run -n 2 -- \(command.calledAs)")
    }
    floor = try Floor.open(cluster, options.floor, halfByteCount: max(messageByteCount, 64 << 10))
  }

  /// Joins, runs `body` on every node, and reports what it returned on node 1.
  ///
  /// - Parameter messageByteCount: the longest plain operation.
  static func run(
    _ command: any BenchmarkCommand.Type, _ options: CommonOptions, messageByteCount: Int,
    _ body: (BenchmarkJob) throws -> [Series]
  ) throws {
    let job = try BenchmarkJob(command, options, messageByteCount: messageByteCount)
    let series = try body(job)
    try job.cluster.barrier()
    if job.isMeasuring { try job.report(series) }
    try job.cluster.finalize()
  }

  private func report(_ series: [Series]) throws {
    let report = Report(
      benchmark: name, fabric: cluster.fabricName, nodeCount: cluster.nodeCount,
      floorSource: floor.isVerbs ? "verbs" : "host", floorNote: floor.note, series: series)
    print(report.text(options.listing), terminator: "")
    guard let path = options.json else { return }
    guard let file = fopen(path, "w") else { throw Self.unwritten(path) }
    fputs(report.json.description + "\n", file)
    guard fclose(file) == 0 else { throw Self.unwritten(path) }
  }

  private static func unwritten(_ path: String) -> ValidationError {
    ValidationError("could not write the report to \(path): \(String(cString: strerror(errno))).")
  }

  /// Runs `body` on every node for each block: five, or until the duration is over (node 1 decides).
  func blocks(_ body: (Int) throws -> Void) throws {
    let began = Clock.now()
    let limit = UInt64(options.durationSeconds ?? 0) * 1_000_000_000
    var block = 0
    while true {
      try body(block)
      block += 1
      if block < Self.blockCount { continue }
      let wantsMore: UInt64 = isMeasuring && Clock.now() - began < limit ? 1 : 0
      if try cluster.allReduce([wantsMore], .maximum) == [0] { return }
    }
  }

  /// As `blocks`, on node 1 alone: no barrier between the first block and the end of the last.
  func blocksAlone(_ body: (Int) throws -> Void) throws {
    try alone {
      let began = Clock.now()
      let limit = UInt64(options.durationSeconds ?? 0) * 1_000_000_000
      var block = 0
      while block < Self.blockCount || Clock.now() - began < limit {
        try body(block)
        block += 1
      }
    }
  }

  /// Runs `body` on node 1 alone while the others wait without using the processors.
  func alone(_ body: () throws -> Void) throws {
    try cluster.barrier()
    if isMeasuring {
      Clock.settle()
      try body()
    }
    try cluster.barrier()
  }

  /// Runs `body` on node 0 alone; what it wrote is seen by all after.
  func atHome(_ body: () throws -> Void) throws {
    if cluster.node == 0 { try body() }
    try cluster.barrier()
  }

  /// Everybody gets node 0's value.
  func broadcast(_ value: UInt64) throws -> UInt64 {
    var value = value
    try withUnsafeMutableBytes(of: &value) { try cluster.broadcast($0, from: 0) }
    return value
  }

  /// A series, or a sentence about too few samples.
  func latency(
    _ name: String, byteCount: Int, _ samples: [UInt64], floor: [FloorPart?],
    surcharge: (nanoseconds: Double, reason: String)? = nil, facts: [(String, JSON)] = []
  ) throws -> Series {
    let parts = floor.compactMap { $0 }
    guard parts.count == floor.count,
      let series = LatencySeries(
        name: name, byteCount: byteCount, samples: samples, floor: parts, surcharge: surcharge, facts: facts)
    else { throw ValidationError("\(name): fewer than three samples were taken; raise -n.") }
    return .latency(series)
  }
}
