import Bootstrap
import CPlatform
import Fabric
import Glibc
import HostFabric
import Node
import NodeFabric
import Platform
import VerbsFabric

/// The fabric of a node, with what has to be closed when the node leaves.
struct ConnectedFabric: Sendable {
  let fabric: NodeFabric
  /// `nil` for the host fabric.
  let endpoint: VerbsEndpoint?

  /// Nobody uses the fabric now or later.
  func close() {
    if case .host(let fabric) = fabric { fabric.close() }
    endpoint?.close()
  }
}

/// Connects this node's memory to the others'.
enum Connecting {
  /// What joining settled before: who is in the job, which fabric, over which port.
  struct Plan {
    let job: Job
    let choice: FabricChoice
    let port: PortChoice?
    let settings: VerbsSettings
    let timeoutMilliseconds: Int
    /// Nodes of the job on this machine.
    let localNodeCount: Int
    /// `MERINO_SPINS`.
    let spins: Int?

    /// Steps that a wait spins before it yields. A device of software carries most operations out inside the
    /// post, so a look or two finds the end; where it did not, the device needs the processor, as other nodes
    /// may.
    var spinCount: UInt32 {
      if let spins { return UInt32(spins) }
      if case .verbs = choice, port?.isSoftware == true { return 4 }
      return localNodeCount > cplatform_processor_count() ? 0 : Backoff.spins
    }
  }

  static func connect(
    _ plan: Plan, _ files: NodeFiles, _ log: Logger
  ) throws(MerinoError) -> ConnectedFabric {
    let memory = NodeMemory(
      control: files.controlMemory, controlByteCount: files.controlByteCount, frames: files.frameMemory,
      framesByteCount: files.frameByteCount, chunkByteCount: Agreement.chunkByteCount)
    switch plan.choice {
    case .host:
      return ConnectedFabric(fabric: .host(try host(plan.job, files, memory)), endpoint: nil)
    case .verbs(let byAddress):
      guard let port = plan.port else {
        throw MerinoError(.notSupported, "could not join: this node has no RDMA device.")
      }
      return try verbs(plan, port, byAddress: byAddress, memory, log)
    }
  }

  private static func host(
    _ job: Job, _ files: NodeFiles, _ memory: NodeMemory
  ) throws(MerinoError) -> HostFabric {
    let all = try bootstrapping { () throws(BootstrapError) in
      try job.exchangeDescriptors([files.control, files.frames])
    }
    defer { for pair in all { for descriptor in pair { close(descriptor) } } }
    let members = all.map {
      HostMember(
        control: $0[0], controlByteCount: files.controlByteCount, frames: $0[1],
        framesByteCount: files.frameByteCount)
    }
    do throws(HostFabricError) {
      return try HostFabric(node: NodeID(job.node), memory: memory, members: members)
    } catch {
      throw MerinoError(.system, error.description)
    }
  }

  private static func verbs(
    _ plan: Plan, _ port: PortChoice, byAddress: Bool, _ memory: NodeMemory, _ log: Logger
  ) throws(MerinoError) -> ConnectedFabric {
    let job = plan.job
    do throws(VerbsFabricError) {
      let endpoint = try VerbsEndpoint(
        port, plan.settings, byAddress: byAddress, memory: memory, node: NodeID(job.node),
        nodeCount: job.nodeCount,
        secret: job.secret)
      let invitation = endpoint.invitation
      let invitations = try exchanging(job, invitation)
      let refusals = try endpoint.connect(invitations, timeoutMilliseconds: plan.timeoutMilliseconds)
      for refusal in refusals { log(.warning, refusal) }
      // Only now, over the bootstrap's own connections: nobody has a key who is not connected.
      let keys = endpoint.keys
      let fabric = try endpoint.fabric(try exchanging(job, keys))
      log(.info, "connected by \(byAddress ? "librdmacm" : "exchange"): \(endpoint.connectionSummary())")
      return ConnectedFabric(fabric: .verbs(fabric), endpoint: endpoint)
    } catch {
      throw MerinoError(error)
    }
  }

  private static func exchanging(_ job: Job, _ bytes: [UInt8]) throws(VerbsFabricError) -> [[UInt8]] {
    do throws(BootstrapError) {
      return try job.exchange(bytes)
    } catch {
      throw .bootstrap(error.description, isPeerLost: error.kind == .peerLost || error.kind == .launcherGone)
    }
  }

  static func bootstrapping<T>(_ body: () throws(BootstrapError) -> T) throws(MerinoError) -> T {
    do throws(BootstrapError) {
      return try body()
    } catch {
      throw MerinoError(error)
    }
  }
}

extension MerinoError {
  init(_ error: VerbsFabricError) {
    let code: Code =
      switch error {
      case .setting: .invalidArgument
      case .timedOut: .timedOut
      case .bootstrap(_, let isPeerLost): isPeerLost ? .peerLost : .system
      case .verbs(_, let error): error.code == ENOMEM ? .outOfMemory : .fabric
      case .system: .system
      case .refused: .fabric
      }
    self.init(code, error.description)
  }
}
