import Coherence

/// The mutation that simulated engines run with. One for the process: set it while nothing is simulated.
public enum SimulatedMutations: MutationSet {
  /// The rule that is switched off; `nil` for the protocol as it is.
  nonisolated(unsafe) public static var active: Mutation?

  @inline(__always)
  public static func isOn(_ mutation: Mutation) -> Bool { active == mutation }
}
