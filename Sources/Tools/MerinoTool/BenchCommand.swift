import ArgumentParser
import Benchmarks

/// `merino bench`: the benchmarks. Each runs as a node of a job; nothing else of `merino` joins one.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure what a step of the shared memory costs, beside the plain operations below it.",
    usage: """
      merino bench
      merino run -n 2 -- merino bench NAME [OPTIONS]
      merino bench NAME --help
      """,
    discussion: """
      Without a name it says what each benchmark measures, a line each. A benchmark runs as a job of two \
      nodes or more; merino-NAME is a link that calls it, too.
      """)

  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("The benchmark (\(names)) and its options.", valueName: "name"),
    completion: .list(Benchmark.all.map(\.name)))
  var words: [String] = []

  func validate() throws {
    guard let first = words.first else { return }
    // What follows a benchmark's name is for the benchmark, and so all words arrive here.
    if first == "--help" || first == "-h" { throw CleanExit.helpRequest(self) }
    if Benchmark.named(first) == nil {
      throw ValidationError("there is no benchmark \"\(first)\"; there is: \(Self.names).")
    }
  }

  func run() throws {
    guard let benchmark = words.first.flatMap(Benchmark.named) else {
      print(Self.list)
      return
    }
    benchmark.command.run(Array(words.dropFirst()))
  }

  /// True where this process was called by a benchmark's link, and has run it: as a program by itself, with
  /// ArgumentParser's exit codes.
  static func ranByLink() -> Bool {
    guard let benchmark = Benchmark.calledByLink else { return false }
    benchmark.command.main()
    return true
  }

  private static var names: String { Benchmark.all.map(\.name).joined(separator: ", ") }

  /// A line each: the name, and what is measured.
  private static var list: String {
    let width = Benchmark.all.map(\.name.count).max() ?? 0
    return Benchmark.all.map {
      $0.name + String(repeating: " ", count: width + 2 - $0.name.count) + $0.abstract
    }.joined(separator: "\n")
  }
}
