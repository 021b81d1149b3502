import ArgumentParser
import BenchmarkSupport

/// Where floors come from.
enum FloorChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
  /// Plain verbs where both nodes have a device, else this host.
  case auto
  /// Plain verbs, or the run fails.
  case verbs
  /// Copies and page faults of this host in plain C.
  case host
}

/// The options that every benchmark takes, with perftest's names.
struct CommonOptions: ParsableArguments, Sendable {
  @Option(name: [.customShort("s"), .customLong("size")], help: "Bytes; each benchmark says of what.")
  var size: Int?

  @Option(
    name: [.customShort("n"), .customLong("iters")],
    help: "Samples of each series; each benchmark has a default."
  )
  var iterationCount: Int?

  @Option(
    name: [.customShort("D"), .customLong("duration")],
    help: "Seconds to go on measuring; the blocks of -n are repeated until then.")
  var durationSeconds: Int?

  @Option(
    name: [.customShort("w"), .customLong("warm-up")], help: "Iterations before those that are measured.")
  var warmUpCount = 50

  @Flag(name: [.customShort("H"), .customLong("report-histogram")], help: "Print all results, sorted.")
  var listsSorted = false

  @Flag(name: [.customShort("U"), .customLong("report-unsorted")], help: "Print all results as they came.")
  var listsUnsorted = false

  @Option(help: "File for the report in JSON.")
  var json: String?

  @Option(help: "What to compare with: \(FloorChoice.allCases.map(\.rawValue).joined(separator: ", ")).")
  var floor = FloorChoice.auto

  /// No options given.
  init() {}

  /// Checks what is the same for all benchmarks.
  func validate() throws {
    guard (1...1_000_000).contains(warmUpCount) else {
      throw ValidationError("The warm-up (-w) has 1 to 1,000,000 iterations, not \(warmUpCount).")
    }
    if let durationSeconds, !(1...3600).contains(durationSeconds) {
      throw ValidationError("The duration (-D) lies between 1 and 3600 seconds, not \(durationSeconds).")
    }
    if let iterationCount, !(5...10_000_000).contains(iterationCount) {
      throw ValidationError(
        "The number of iterations (-n) lies between 5 and 10,000,000, not \(iterationCount).")
    }
  }

  var listing: Report.Listing { listsUnsorted ? .unsorted : listsSorted ? .sorted : .none }

  /// The size where it is a coherence unit.
  func unitByteCount() throws -> Int {
    let size = size ?? 4096
    guard size >= 4096, size & (size - 1) == 0, size <= 2 << 20 else {
      throw ValidationError("The size (-s) of a page is a power of two from 4096 to 2097152, not \(size).")
    }
    return size
  }

  /// The size where it is a number of bytes.
  func size(default: Int, in range: ClosedRange<Int>) throws -> Int {
    let size = size ?? `default`
    guard range.contains(size) else {
      throw ValidationError(
        "The size (-s) lies between \(range.lowerBound) and \(range.upperBound) bytes, not \(size).")
    }
    return size
  }

  /// Samples of one of the five blocks.
  func blockCount(default: Int) -> Int {
    ((iterationCount ?? `default`) + BenchmarkJob.blockCount - 1) / BenchmarkJob.blockCount
  }
}
