import Bootstrap
import Coherence
import Node
import VerbsFabric

/// What this node was asked for, all of it read before it joins: a mistake is this node's own error, and not
/// the loss of a node to the others.
struct JoinSettings {
  let request: FabricRequest
  let verbs: VerbsSettings
  let announcement: Announcement
  let timeoutMilliseconds: Int
  /// `MERINO_SPINS`.
  let spins: Int?
  /// `MERINO_WITHOUT`.
  let without: Mechanisms
  /// `MERINO_HOT_PAGES`.
  let hotPageCount: Int?

  init(_ options: ClusterOptions) throws(MerinoError) {
    request = try FabricRequest(options)
    verbs = try VerbsSettings.fromEnvironment()
    announcement = try Announcement(options)
    timeoutMilliseconds = try Connecting.bootstrapping { () throws(BootstrapError) in
      if let given = options.joinTimeoutMilliseconds { return given }
      return try Job.joinTimeoutMilliseconds()
    }
    spins = try EnvironmentSettings.count("MERINO_SPINS", 0...1_000_000)
    without = try EnvironmentSettings.mechanisms("MERINO_WITHOUT")
    hotPageCount = try EnvironmentSettings.count("MERINO_HOT_PAGES", 0...1_000_000)
  }
}

/// How a process becomes a node.
enum Joining {
  static func join(_ options: ClusterOptions) throws(MerinoError) -> Runtime {
    let log = Logger(options)
    let settings = try JoinSettings(options)
    let job = try bootstrapping { () throws(BootstrapError) in
      try Job.join(joinTimeoutMilliseconds: options.joinTimeoutMilliseconds)
    }
    do throws(MerinoError) {
      let found = try FabricOffer.make(settings.request, settings.verbs, nodeCount: job.nodeCount)
      return try join(job, settings, found.offer, found.port, log)
    } catch {
      log(.error, error.description)
      throw error
    }
  }

  private static func join(
    _ job: Job, _ settings: JoinSettings, _ offer: FabricOffer, _ port: PortChoice?, _ log: Logger
  ) throws(MerinoError) -> Runtime {
    let mine = settings.announcement.bytes + offer.bytes
    let all = try bootstrapping { () throws(BootstrapError) in try job.exchange(mine) }
    let announcements = all.map { Announcement($0) }
    var agreement = try Agreement(announcements)
    var offers: [FabricOffer] = []
    for bytes in all { offers.append(try Self.offer(in: bytes)) }
    let chosen = try FabricChoice.decide(
      offers, hosts: job.members.map(\.hostName), areTogether: job.areAllOnOneMachine)
    var isRegistered = false
    if case .verbs = chosen.choice { isRegistered = true }
    let hosts = Dictionary(grouping: job.members, by: \.machine)
    agreement = try Agreement(
      announcements, nodesPerHost: hosts.values.map(\.count).max() ?? 1, isRegistered: isRegistered)
    agreement.configuration.mechanisms.subtract(settings.without)
    if let count = settings.hotPageCount { agreement.configuration.hotPageCount = count }
    let plan = Connecting.Plan(
      job: job, choice: chosen.choice, port: port, settings: settings.verbs,
      timeoutMilliseconds: settings.timeoutMilliseconds,
      localNodeCount: job.members.count { $0.machine == job.members[job.node].machine },
      spins: settings.spins)
    let configuration = agreement.configuration
    let layout = Agreement.layout(configuration)
    log(.info, sentence(agreement, layout, chosen, port))
    let reservation = try reserve(job, configuration.capacityByteCount)
    let memory = try NodeFiles(configuration, layout)
    do throws(MerinoError) {
      let connected: ConnectedFabric
      do throws(MerinoError) {
        connected = try Connecting.connect(plan, memory, log)
      } catch {
        throw agreement.advising(error)
      }
      do throws(MerinoError) {
        return try run(plan, agreement, reservation, memory, connected, log)
      } catch {
        connected.close()
        throw error
      }
    } catch {
      // As before joining; the engine's pages are looked at no more, since the views are gone.
      memory.unmap()
      throw error
    }
  }

  /// The node over its memory and its fabric; nothing of it is left where this fails.
  private static func run(
    _ plan: Connecting.Plan, _ agreement: Agreement, _ reservation: consuming AddressReservation,
    _ memory: NodeFiles,
    _ connected: ConnectedFabric, _ log: Logger
  ) throws(MerinoError) -> Runtime {
    let job = plan.job
    let configuration = agreement.configuration
    let layout = Agreement.layout(configuration)
    let space: SharedAddressSpace
    do throws(AddressSpaceError) {
      space = try SharedAddressSpace(
        frames: memory.frames, reservation: reservation, pageByteCount: configuration.pageByteCount)
    } catch {
      throw MerinoError(error)
    }
    let service = try ServiceThread(job: job, endpoint: connected.endpoint, log: log)
    let engine = NodeEngine(
      fabric: connected.fabric, protection: space.protection,
      execution: NodeExecution(
        lostPeerWord: job.lostPeerWord, wakeDescriptor: service.wakeDescriptor,
        spinCount: plan.spinCount),
      configuration: configuration, layout: layout, localMemory: memory.localMemory)
    let runtime = Runtime(
      job: job, engine: engine, space: space, memory: memory, connected: connected, service: service, log: log
    )
    do throws(MerinoError) {
      try runtime.start()
      // Everybody serves faults, and node 0 has the table of segments, before anybody goes on.
      try runtime.heap.attach(runtime) { () throws(MerinoError) in
        try bootstrapping { () throws(BootstrapError) in try job.barrier() }
      }
    } catch {
      runtime.abandon()
      throw error
    }
    return runtime
  }

  private static func offer(in bytes: [UInt8]) throws(MerinoError) -> FabricOffer {
    guard let offer = FabricOffer(Array(bytes.dropFirst(Announcement.byteCount))) else {
      throw MerinoError(.mismatch, "could not join: a node runs another version of Merino than this one.")
    }
    return offer
  }

  private static func sentence(
    _ agreement: Agreement, _ layout: ControlLayout, _ chosen: (choice: FabricChoice, why: String),
    _ port: PortChoice?
  ) -> String {
    let c = agreement.configuration
    let limit = agreement.capacityBound.map { ", the most for which \($0.clause)" } ?? ""
    var fabric = "host"
    if case .verbs = chosen.choice { fabric = "verbs over \(port?.reason ?? "")" }
    return
      "fabric \(fabric) (\(chosen.why)), \(c.nodeCount) nodes, capacity \(c.capacityByteCount) "
      + "bytes\(limit), control memory \(layout.byteCount) bytes a node"
  }

  /// Reserves the first range that is free on all nodes.
  private static func reserve(_ job: Job, _ byteCount: Int) throws(MerinoError) -> AddressReservation {
    let candidates = AddressReservation.candidates(byteCount: byteCount)
    let mine = candidates.map { base -> UInt8 in
      AddressReservation.isFree(base..<base + UInt(byteCount)) ? 1 : 0
    }
    let all = try bootstrapping { () throws(BootstrapError) in try job.exchange(mine) }
    for (index, base) in candidates.enumerated() where all.allSatisfy({ $0.count > index && $0[index] == 1 })
    {
      do throws(AddressSpaceError) {
        return try AddressReservation(base: base, byteCount: byteCount)
      } catch {
        throw MerinoError(error)
      }
    }
    var taken = "no candidate is left for this capacity"
    for (index, base) in candidates.enumerated() {
      if let node = all.firstIndex(where: { $0.count <= index || $0[index] == 0 }) {
        let range = base..<base + UInt(byteCount)
        taken = "the addresses from 0x\(String(base, radix: 16)) are in use on node \(node)"
        if node == job.node, let region = ProcessMap.regions(overlapping: range).first {
          taken += ", by \(region)"
        }
        break
      }
    }
    throw MerinoError(
      .addressInUse,
      "could not join: no range of \(byteCount) bytes of addresses is free on all nodes (\(taken)); set "
        + "MERINO_CAPACITY to less.")
  }

  private static func bootstrapping<T>(_ body: () throws(BootstrapError) -> T) throws(MerinoError) -> T {
    try Connecting.bootstrapping(body)
  }
}
