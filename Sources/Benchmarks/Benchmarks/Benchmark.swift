public import ArgumentParser

/// A benchmark of this executable. It is called by `merino bench NAME`, or by a link of its own name that
/// leads here.
public struct Benchmark: Sendable {
  private let type: any BenchmarkCommand.Type

  /// Behind `merino bench`: "fetch-lat".
  public var name: String { type.name }
  /// What it measures, a sentence.
  public var abstract: String { type.configuration.abstract }
  /// Its command line, which joins a job when it is run.
  public var command: any ParsableCommand.Type { type }

  /// All there are, in the order of docs/benchmarks.md.
  public static let all = [
    Benchmark(type: FetchLatency.self), Benchmark(type: FetchBandwidth.self),
    Benchmark(type: WriteLatency.self),
    Benchmark(type: ReleaseLatency.self), Benchmark(type: LockLatency.self),
    Benchmark(type: BarrierLatency.self),
    Benchmark(type: AtomicLatency.self),
  ]

  /// By its name behind `merino bench`.
  public static func named(_ name: String) -> Benchmark? { all.first { $0.name == name } }

  /// The one whose link this process was called by; nil for any other name.
  public static var calledByLink: Benchmark? { all.first { $0.type.linkName == calledName } }

  /// The last component of the name that this process was called by. Not that of the executable, which a link
  /// has in common with `merino`.
  static let calledName = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? ""
}
