import ArgumentParser
import Bootstrap
import Glibc

/// `merino run`: starts the nodes of a job on this machine.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Start the nodes of a job on this machine.",
    usage: "merino run -n N [OPTIONS] -- PROGRAM ARGS... [: -n M -- PROGRAM2 ARGS...]",
    discussion: """
      Node 0 has this command's standard input, the others have none; all have its output. Signals sent to \
      merino run are passed on to every node. When a node dies the others are ended, and the job ends with \
      the first exit code that is not 0 (128 + the signal's number for a death by signal). Nothing that was \
      started is left when merino run is gone, however it ended.
      """)

  @Option(
    name: [.customShort("n"), .customLong("nodes")], parsing: .unconditional,
    help: ArgumentHelp("Number of nodes, 1 to 1024.", valueName: "N"))
  var nodeCount: String

  @Flag(help: "Begin each line of output with its node.")
  var label = false

  @Option(
    help: ArgumentHelp("How nodes reach each other's memory: host (nodes of one machine).", valueName: "name")
  )
  var fabric: String?

  @Option(help: ArgumentHelp("End the job, with exit code 124, when it takes longer.", valueName: "seconds"))
  var timeout: String?

  @Option(
    help: ArgumentHelp(
      "How long a node that joins waits for the others (MERINO_JOIN_TIMEOUT; 60).", valueName: "seconds"))
  var joinTimeout: String?

  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("The program and its arguments.", valueName: "program"))
  var words: [String] = []

  func validate() throws {
    if let fabric, !Self.fabrics.contains(fabric) {
      throw ValidationError(
        "there is no fabric \"\(fabric)\"; there is: \(Self.fabrics.joined(separator: ", ")).")
    }
    // Here, so that a mistake is answered with this command's usage.
    _ = try plan()
  }

  private static let fabrics = ["auto", "host", "verbs"]

  func run() throws {
    Glibc.exit(Guardian.run(try plan()))
  }

  private func plan() throws -> JobPlan {
    do {
      var plan = JobPlan(programs: try JobPlan.programs(firstNodeCount: nodeCount, words: words))
      plan.labelsOutput = label
      plan.fabric = fabric
      plan.timeoutMilliseconds = try timeout.map {
        (text) throws(BootstrapError) in
        try JobEnvironment.milliseconds(seconds: text, setting: "--timeout")
      }
      plan.joinTimeoutMilliseconds =
        if let joinTimeout {
          try JobEnvironment.milliseconds(seconds: joinTimeout, setting: "--join-timeout")
        } else {
          try JobEnvironment.joinTimeoutMilliseconds()
        }
      return plan
    } catch let error as BootstrapError {
      throw ValidationError(error.description)
    }
  }
}
