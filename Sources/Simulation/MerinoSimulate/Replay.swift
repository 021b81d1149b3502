import Coherence
import Glibc
import Simulation

/// One seed, with its history if asked for.
struct Replay {
  let seed: UInt64
  let isTraced: Bool

  /// True where nothing went wrong.
  func run() -> Bool {
    do {
      try Simulation().run(seed: seed, trace: isTraced ? { print($0) } : nil)
      print("seed \(seed): nothing wrong.")
      return true
    } catch {
      print(error.description)
      return false
    }
  }
}

/// The command that replays a seed.
func replayCommand(_ seed: UInt64) -> String {
  let mutation = SimulatedMutations.active.map { " --mutation \($0)" } ?? ""
  return "\(CommandLine.arguments[0])\(mutation) --replay \(seed) --trace"
}
