import Bootstrap
import Merino
import Verbs

/// What the command line asks for; nil takes the environment, then the default.
package struct ExaminationRequest: Sendable {
  package var nodeCount: Int?
  package var capacityByteCount: Int?
  package var fabric: String?

  package init(nodeCount: Int? = nil, capacityByteCount: Int? = nil, fabric: String? = nil) {
    self.nodeCount = nodeCount
    self.capacityByteCount = capacityByteCount
    self.fabric = fabric
  }
}

/// A host, the job that is to run on it, and the fabric that the job would have: what every check starts
/// from.
package struct Examination: Sendable {
  /// `MERINO_FABRIC`.
  enum Demand: String, CaseIterable { case host, verbs, auto }

  static let defaultNodeCount = 4

  let host: Host
  let nodeCount: Int
  /// Whether somebody named the number of nodes.
  let nodesWereAsked: Bool
  /// Whether somebody named the capacity; the default is an upper limit that few programs fill.
  let capacityWasAsked: Bool
  /// nil where the settings contradict themselves; `settingsErrors` says how.
  let needs: NodeNeeds?
  let settingsErrors: [Finding]
  let demand: Demand
  let deviceDemand: DeviceDemand?
  let devices: [RDMADevice]
  /// Why the devices could not be listed.
  let devicesError: VerbsError?
  let choice: ExpectedPort
  /// The fabric that a job would have: verbs where it is demanded, or where a port suits and nothing is
  /// demanded. (A job of one node has nobody to talk to.)
  let isOverVerbs: Bool

  package init(_ host: Host, _ request: ExaminationRequest) {
    self.host = host
    var errors: [Finding] = []
    let named =
      request.nodeCount
      ?? host.variable(JobEnvironment.nodeCountName).flatMap { Int($0) }.flatMap {
        (1...Job.maximumNodeCount).contains($0) ? $0 : nil
      }
    nodeCount = named ?? Self.defaultNodeCount
    nodesWereAsked = named != nil
    capacityWasAsked = request.capacityByteCount != nil || host.variable("MERINO_CAPACITY") != nil
    demand = Self.demand(request.fabric ?? host.variable(JobEnvironment.fabricName), &errors)
    deviceDemand = Self.deviceDemand(host.variable("MERINO_DEVICE"), &errors)
    do throws(VerbsError) {
      devices = try host.devices()
      devicesError = nil
    } catch {
      devices = []
      devicesError = error
    }
    choice = ExpectedPort(devices, on: host, demanded: deviceDemand)
    isOverVerbs = demand == .verbs || demand == .auto && choice.chosen != nil && nodeCount > 1
    needs = Self.needs(host, nodeCount, request.capacityByteCount, isRegistered: isOverVerbs, &errors)
    settingsErrors = errors
  }

  /// Nodes of the job on this host.
  var nodesHere: Int { isOverVerbs ? 1 : nodeCount }

  /// All checks, in the order of the report.
  package func report() -> Report {
    let findings =
      settingsErrors + systemFindings() + memoryFindings() + limitFindings() + launcherFindings()
      + deviceFindings() + portFindings() + [fabricFinding()]
    return Report(findings: findings, fabric: isOverVerbs ? "verbs" : "host")
  }
}

extension Examination {
  private static func needs(
    _ host: Host, _ nodeCount: Int, _ capacity: Int?, isRegistered: Bool, _ errors: inout [Finding]
  ) -> NodeNeeds? {
    do throws(MerinoError) {
      return try NodeNeeds(
        nodeCount: nodeCount, capacityByteCount: capacity, lockableByteCount: host.limit(.lockedMemory).soft,
        room: host.room, isRegistered: isRegistered)
    } catch {
      errors.append(
        .fail("job.settings", error.description, cure: "correct the variable (docs/guide.md lists them)"))
      return nil
    }
  }

  private static func demand(_ name: String?, _ errors: inout [Finding]) -> Demand {
    guard let name else { return .auto }
    if let demand = Demand(rawValue: name) { return demand }
    errors.append(
      .fail(
        "job.settings", "there is no fabric \"\(name)\"",
        cure: "set MERINO_FABRIC to host, verbs or auto, or unset it"))
    return .auto
  }

  private static func deviceDemand(_ text: String?, _ errors: inout [Finding]) -> DeviceDemand? {
    guard let text else { return nil }
    if let demand = DeviceDemand(text) { return demand }
    errors.append(
      .fail(
        "job.settings", "MERINO_DEVICE=\(text) names no device",
        cure: "write name or name:port, for example mlx5_0:1"))
    return nil
  }
}
