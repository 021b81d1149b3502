import Coherence
import Simulation

let simulation = Simulation()
let a = UInt64(CommandLine.arguments[1])!
let b = UInt64(CommandLine.arguments[2])!
if CommandLine.arguments.count > 3 {
  SimulatedMutations.active = Mutation.allCases.first { "\($0)" == CommandLine.arguments[3] }
}
var failures = 0
for seed in a..<b {
  do {
    try simulation.run(seed: seed, trace: CommandLine.arguments.contains("--trace") ? { print($0) } : nil)
  } catch {
    print("seed \(seed): \(error)")
    failures += 1
    if CommandLine.arguments.count > 3 || failures > 5 { break }
  }
}
for (k, v) in simulation.counts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) { print(k, v) }
print("steps", simulation.steps, "failures", failures)
