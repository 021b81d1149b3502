import ArgumentParser

/// The command line of a benchmark, and what it does as a node of a job.
protocol BenchmarkCommand: ParsableCommand {
  /// Behind `merino bench`: "fetch-lat".
  static var name: String { get }
}

extension BenchmarkCommand {
  /// The name by itself, of a link that leads to `merino`; reports have it, however the benchmark was called.
  static var linkName: String { "merino-" + name }

  /// What whoever called it wrote, for its help and its sentences.
  static var calledAs: String { Benchmark.calledName == linkName ? linkName : "merino bench " + name }
}
