import ArgumentParser
import Bootstrap
import Glibc

/// `merino run`: starts the nodes of a job, on this machine and on others.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Start the nodes of a job.",
    usage: """
      merino run -n N [OPTIONS] -- PROGRAM ARGS... [: -n M -- PROGRAM2 ARGS...]
      merino run --hosts a:2,b:2 [--launch-agent CMD] [OPTIONS] -- PROGRAM ARGS...
      merino run --listen [ADDRESS:]PORT -n N --secret-file FILE [OPTIONS] [-- PROGRAM ARGS...]
      merino run --join HOST:PORT --secret-file FILE -n N [--label] -- PROGRAM ARGS...
      """,
    discussion: """
      Node 0 has this command's standard input, the others have none; all have its output. Signals sent to \
      merino run are passed on to every node. When a node dies the others are ended, and the job ends with \
      the first exit code that is not 0 (128 + the signal's number for a death by signal). Nothing that was \
      started is left when merino run is gone, however it ended.

      Across hosts: --hosts starts nodes on each host of a list by ssh, with this working directory and the \
      MERINO_ variables; hosts called localhost need no ssh. Without ssh, --listen waits for nodes that \
      --join starts elsewhere, or for programs started with MERINO_RENDEZVOUS=tcp:HOST:PORT and \
      MERINO_SECRET_FILE=FILE. Both sides prove that they know the secret; what they say afterwards is not \
      encrypted.
      """)

  @Option(
    name: [.customShort("n"), .customLong("nodes")], parsing: .unconditional,
    help: ArgumentHelp(
      "Number of nodes, 1 to 1024: of the job; with --join, of this host.", valueName: "N"))
  var nodeCount: String?

  @Option(
    help: ArgumentHelp(
      "Hosts and how many nodes each has (1 where no number is given), in the order of the nodes.",
      valueName: "host:N,host:N"))
  var hosts: String?

  @Option(
    help: ArgumentHelp(
      "Command that runs a line of shell on a host: CMD HOST 'LINE' (ssh -o BatchMode=yes).", valueName: "cmd"
    ))
  var launchAgent: String?

  @Option(
    help: ArgumentHelp(
      "With --hosts: where other hosts reach this one (all its addresses, any port).",
      valueName: "address[:port]"))
  var listenAddress: String?

  @Option(
    help: ArgumentHelp("With --hosts: merino on the other hosts (the path it has here).", valueName: "path"))
  var remoteMerino: String?

  @Option(help: ArgumentHelp("Wait here for nodes of other hosts.", valueName: "[address:]port"))
  var listen: String?

  @Option(
    help: ArgumentHelp("With --listen: how many nodes run PROGRAM here (1 if there is one).", valueName: "N"))
  var localNodes: String?

  @Option(help: ArgumentHelp("Start nodes of the job whose launcher listens there.", valueName: "host:port"))
  var join: String?

  @Option(
    help: ArgumentHelp(
      "Secret that --listen and --join have in common; --listen makes one where there is none.",
      valueName: "file"))
  var secretFile: String?

  @Option(help: .hidden)
  var outpost: Int?

  @Flag(help: "Begin each line of output with its node.")
  var label = false

  @Option(
    help: ArgumentHelp(
      "How nodes reach each other's memory: verbs (RDMA), host (one machine) or auto (MERINO_FABRIC).",
      valueName: "name")
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
    // A program's arguments are taken as they are, so that this, too, arrives among them.
    if let first = words.first, first == "--help" || first == "-h" { throw CleanExit.helpRequest(self) }
    try checkOptions()
    // But what an outpost is to do is on its standard input, which is read once.
    if outpost == nil { _ = try request() }
  }

  private static let fabrics = ["auto", "host", "verbs"]

  func run() throws {
    switch try requestOrExit() {
    case .launch(let plan): Glibc.exit(Guardian.run(plan))
    case .outpost(let plan):
      Glibc.exit(Guardian.run { OutpostLauncher.run(plan, $0, $1, lifeline: $2) })
    }
  }

  private func requestOrExit() throws -> RunRequest {
    guard outpost != nil else { return try request() }
    do {
      return try request()
    } catch {
      // Read on another host, by somebody who never wrote these options: without the usage.
      complain("merino on \(Member.currentHostName()): \((error as? ValidationError)?.message ?? "\(error)")")
      Glibc.exit(ToolExit.misuse)
    }
  }
}
