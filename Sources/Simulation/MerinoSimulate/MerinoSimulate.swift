import ArgumentParser
import Coherence
import Glibc
import Simulation

/// Runs of the whole protocol from seeds, each checked against a sequential oracle.
@main
struct MerinoSimulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merino-simulate",
    abstract: "Searches the protocol for errors with random data-race-free programs on a simulated cluster.",
    discussion: """
      A seed names a cluster, a program and every choice of the schedule. Exit code 0: nothing wrong found; \
      1: a seed failed (it is printed with the command that replays it), or a mutation was not found.
      """)

  @Option(help: "The seeds to run, as A..B, without B.")
  var seeds: SeedRange?

  @Option(help: "Threads that run seeds at the same time; for --all-mutations, mutations at the same time.")
  var jobs = 1

  @Option(help: "Switches off a rule of the protocol; see --list-mutations.")
  var mutation: String?

  @Option(help: "Runs this seed only.")
  var replay: UInt64?

  @Flag(help: "With --replay: prints everything that happens.")
  var trace = false

  @Flag(
    help: "Runs every mutation until a seed finds it, at most those of --seeds; fails if one is not found.")
  var allMutations = false

  @Flag(help: "Prints the names of the mutations.")
  var listMutations = false

  @Flag(help: "Prints what the runs did: faults, notices, moves of homes, ...")
  var counts = false

  func validate() throws {
    if jobs < 1 || jobs > 256 { throw ValidationError("--jobs is from 1 to 256, not \(jobs).") }
    if trace && replay == nil { throw ValidationError("--trace belongs to --replay.") }
    _ = try namedMutation()
  }

  func run() throws {
    if listMutations {
      for each in Mutation.allCases { print(each) }
      return
    }
    let seeds = seeds?.range ?? 0..<(allMutations ? 100_000 : 10_000)
    if allMutations {
      guard MutationHunt(seeds: seeds, jobs: jobs).run() else { throw ExitCode.failure }
      return
    }
    SimulatedMutations.active = try namedMutation()
    if let replay {
      guard Replay(seed: replay, isTraced: trace).run() else { throw ExitCode.failure }
      return
    }
    let search = Search(seeds: seeds, jobs: jobs)
    let isClean = search.run()
    if counts { search.printCounts() }
    if !isClean { throw ExitCode.failure }
  }

  private func namedMutation() throws -> Mutation? {
    guard let mutation else { return nil }
    guard let found = Mutation.allCases.first(where: { "\($0)" == mutation }) else {
      throw ValidationError("There is no mutation \(mutation); --list-mutations names them.")
    }
    return found
  }
}

/// A range of seeds on the command line: `A..<B`, or `A..B` for those who do not want to quote it; B is not
/// in it.
struct SeedRange: ExpressibleByArgument {
  let range: Range<UInt64>

  init?(argument: String) {
    let parts = argument.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[1].isEmpty, let first = UInt64(parts[0]),
      let end = UInt64(parts[2].hasPrefix("<") ? parts[2].dropFirst() : parts[2]), first < end
    else { return nil }
    range = first..<end
  }
}
