import ArgumentParser

/// Programs that would find a wrong protocol: jobs of real processes with real page faults.
@main
struct Stress: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "MerinoStress", abstract: "Jobs that check the protocol; run them with `merino run`.",
    subcommands: [
      RandomCommand.self, LitmusCommand.self, StopCommand.self, DeathCommand.self, CrowdCommand.self,
      RetireCommand.self,
    ])
}
