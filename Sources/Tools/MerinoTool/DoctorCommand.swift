import ArgumentParser
import Bootstrap
import Doctor
import Glibc
import Merino

/// `merino doctor`: says what stands between this host and a job.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check whether this host can run Merino.",
    discussion: """
      A line for each check: pass, warn, fail or skip, what was found, and what to do about it. The checks \
      are for the fabric that a job would have (MERINO_FABRIC; MERINO_DEVICE restricts the device), and for \
      this user and this shell with its limits: call it the way jobs are started, inside the container or \
      the batch job.

      Exit code: 0 when nothing fails (warnings are allowed), 1 when something fails for the fabric that \
      would be chosen, 2 for a wrong command line.
      """)

  @Flag(help: "Print one line of JSON: \"checks\", each with check, state, found and cure, and \"summary\".")
  var json = false

  @Option(help: ArgumentHelp("Capacity of the job, as in MERINO_CAPACITY: 8G.", valueName: "size"))
  var capacity: String?

  @Option(
    name: [.customShort("n"), .customLong("nodes")],
    help: ArgumentHelp("Nodes of the job (4).", valueName: "N"))
  var nodeCount: Int?

  @Option(
    help: ArgumentHelp("The fabric to check for: host, verbs or auto (MERINO_FABRIC).", valueName: "name"))
  var fabric: String?

  func validate() throws {
    if let nodeCount, !(1...Job.maximumNodeCount).contains(nodeCount) {
      throw ValidationError("--nodes is \(nodeCount); a job has 1 to \(Job.maximumNodeCount) nodes.")
    }
    if let fabric, !["host", "verbs", "auto"].contains(fabric) {
      throw ValidationError("there is no fabric \"\(fabric)\"; there is: host, verbs, auto.")
    }
    _ = try capacityByteCount()
  }

  func run() throws {
    let request = ExaminationRequest(
      nodeCount: nodeCount, capacityByteCount: try capacityByteCount(), fabric: fabric)
    let report = Examination(.this(), request).report()
    print(json ? report.json.description : report.text)
    if report.hasFailed { throw ExitCode(ToolExit.failure) }
  }

  private func capacityByteCount() throws -> Int? {
    guard let capacity else { return nil }
    do throws(MerinoError) {
      return try NodeNeeds.byteCount(capacity, of: "--capacity")
    } catch {
      throw ValidationError(error.description)
    }
  }
}
