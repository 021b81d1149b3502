import AddressSpace
import Bootstrap
import CPlatform
import Coherence
import Fabric
import Glibc
import HostFabric
import Node
import Platform

/// The files of this node's memory that peers map, and its private state.
final class NodeFiles: Sendable {
  let control: Int32
  let frames: Int32
  nonisolated(unsafe) let controlMemory: UnsafeMutableRawPointer
  nonisolated(unsafe) let frameMemory: UnsafeMutableRawPointer
  nonisolated(unsafe) let localMemory: UnsafeMutableRawPointer
  let controlByteCount: Int
  let frameByteCount: Int
  let localByteCount: Int

  init(_ configuration: Configuration, _ layout: ControlLayout) throws(MerinoError) {
    controlByteCount = layout.byteCount
    frameByteCount = configuration.capacityByteCount
    localByteCount = NodeEngine.localByteCount(configuration)
    do throws(SystemError) {
      let controlFile = try SharedMemoryFile(named: "merino-control", byteCount: controlByteCount)
      let frameFile = try SharedMemoryFile(named: "merino-frames", byteCount: frameByteCount)
      let mapped = try Self.map(controlFile, frameFile, localByteCount)
      controlMemory = mapped.control
      frameMemory = mapped.frames
      localMemory = mapped.local
      control = dup(controlFile.descriptor)
      frames = dup(frameFile.descriptor)
      try controlFile.close()
      try frameFile.close()
    } catch {
      let isMemory = error.code == ENOMEM
      throw MerinoError(
        isMemory ? .outOfMemory : .system,
        error.description + (isMemory ? " MERINO_CAPACITY sets how much is mapped." : ""))
    }
    _ = fcntl(control, F_SETFD, FD_CLOEXEC)
    _ = fcntl(frames, F_SETFD, FD_CLOEXEC)
  }

  /// The three mappings, or none.
  private static func map(
    _ controlFile: borrowing SharedMemoryFile, _ frameFile: borrowing SharedMemoryFile, _ localByteCount: Int
  ) throws(SystemError) -> (
    control: UnsafeMutableRawPointer, frames: UnsafeMutableRawPointer, local: UnsafeMutableRawPointer
  ) {
    let control = try controlFile.mapSystemView()
    do throws(SystemError) {
      let frames = try frameFile.mapSystemView()
      do throws(SystemError) {
        return (control, frames, try mapPrivate(localByteCount))
      } catch {
        frameFile.unmapSystemView(frames)
        throw error
      }
    } catch {
      controlFile.unmapSystemView(control)
      throw error
    }
  }

  private static func mapPrivate(_ byteCount: Int) throws(SystemError) -> UnsafeMutableRawPointer {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0), memory != MAP_FAILED else {
      throw SystemError(
        attempt: "map \(byteCount) bytes for the state of the pages", call: "mmap",
        advice: "set MERINO_CAPACITY to less on all nodes, or allow overcommit (vm.overcommit_memory)")
    }
    return memory
  }

  /// After it nothing of the library may touch shared memory any more.
  func unmap() {
    munmap(controlMemory, controlByteCount)
    munmap(frameMemory, frameByteCount)
    munmap(localMemory, localByteCount)
    close(control)
    close(frames)
  }
}

/// How a process becomes a node.
enum Joining {
  static func join(_ options: ClusterOptions) throws(MerinoError) -> Runtime {
    let log = Logger(options)
    try checkFabric(options)
    let mine = try Announcement(options)
    let job = try bootstrapping { () throws(BootstrapError) in
      try Job.join(joinTimeoutMilliseconds: options.joinTimeoutMilliseconds)
    }
    do throws(MerinoError) {
      return try join(job, mine, log)
    } catch {
      log(.error, error.description)
      throw error
    }
  }

  private static func checkFabric(_ options: ClusterOptions) throws(MerinoError) {
    let name = options.fabric ?? EnvironmentSettings.string("MERINO_FABRIC") ?? "host"
    guard name == "host" || name == "auto" else {
      throw MerinoError(
        .notSupported, "could not join: there is no fabric \"\(name)\" in this version; it has \"host\".")
    }
  }

  private static func join(_ job: Job, _ mine: Announcement, _ log: Logger) throws(MerinoError) -> Runtime {
    let announcements = try bootstrapping { () throws(BootstrapError) in try job.exchange(mine.bytes) }
      .map { Announcement($0) }
    let agreement = try Agreement(announcements)
    let configuration = agreement.configuration
    let layout = Agreement.layout(configuration)
    logChoice(agreement, layout, log)
    let reservation = try reserve(job, configuration.capacityByteCount)
    let memory = try NodeFiles(configuration, layout)
    do throws(MerinoError) {
      let fabric = try connect(job, memory, configuration)
      do throws(MerinoError) {
        return try run(job, agreement, reservation, memory, fabric, log)
      } catch {
        fabric.close()
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
    _ job: Job, _ agreement: Agreement, _ reservation: consuming AddressReservation, _ memory: NodeFiles,
    _ fabric: HostFabric, _ log: Logger
  ) throws(MerinoError) -> Runtime {
    let configuration = agreement.configuration
    let layout = Agreement.layout(configuration)
    let space: SharedAddressSpace
    do throws(AddressSpaceError) {
      space = try SharedAddressSpace(
        frames: memory.frames, reservation: reservation, pageByteCount: configuration.pageByteCount)
    } catch {
      throw MerinoError(error)
    }
    let engine = NodeEngine(
      fabric: fabric, protection: space.protection,
      execution: NodeExecution(lostPeerWord: job.lostPeerWord), configuration: configuration, layout: layout,
      localMemory: memory.localMemory)
    let runtime = try Runtime(job: job, engine: engine, space: space, memory: memory, log: log)
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

  private static func logChoice(_ agreement: Agreement, _ layout: ControlLayout, _ log: Logger) {
    let c = agreement.configuration
    let why =
      agreement.capacityLimitedBy.map {
        ", the most whose control memory fits the limit of locked memory of \($0) bytes (ulimit -l)"
      } ?? ""
    log(
      .info,
      "fabric host, \(c.nodeCount) nodes, capacity \(c.capacityByteCount) bytes\(why), control memory "
        + "\(layout.byteCount) bytes a node")
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
      if let node = all.firstIndex(where: { $0[index] == 0 }) {
        let range = base..<base + UInt(byteCount)
        taken = "at 0x\(String(base, radix: 16)) on node \(node)"
        if node == job.node {
          taken += " lies \(ProcessMap.regions(overlapping: range).first?.description ?? "something")"
        }
        break
      }
    }
    throw MerinoError(
      .addressInUse,
      "could not join: no range of \(byteCount) bytes of addresses is free on all nodes (\(taken)); set "
        + "MERINO_CAPACITY to less.")
  }

  private static func connect(
    _ job: Job, _ memory: NodeFiles, _ configuration: Configuration
  ) throws(MerinoError) -> HostFabric {
    let all = try bootstrapping { () throws(BootstrapError) in
      try job.exchangeDescriptors([memory.control, memory.frames])
    }
    defer { for pair in all { for descriptor in pair { close(descriptor) } } }
    let members = all.map {
      HostMember(
        control: $0[0], controlByteCount: memory.controlByteCount, frames: $0[1],
        framesByteCount: memory.frameByteCount)
    }
    let own = NodeMemory(
      control: memory.controlMemory, controlByteCount: memory.controlByteCount, frames: memory.frameMemory,
      framesByteCount: memory.frameByteCount, chunkByteCount: Agreement.chunkByteCount)
    do throws(HostFabricError) {
      return try HostFabric(node: job.node, memory: own, members: members)
    } catch {
      throw MerinoError(.system, error.description)
    }
  }

  private static func bootstrapping<T>(_ body: () throws(BootstrapError) -> T) throws(MerinoError) -> T {
    do throws(BootstrapError) {
      return try body()
    } catch {
      throw MerinoError(error)
    }
  }
}
