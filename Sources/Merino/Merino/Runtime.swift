import Bootstrap
import CPlatform
import Coherence
import Fabric
import Glibc
import Node
import Platform
import Synchronization

/// Everything that this process holds while it is a node. Made by joining, ended by `finalize`.
final class Runtime: Sendable {
  let job: Job
  /// In a place of its own, for as long as this lives: a call uses it there, and copies none of its thousand
  /// bytes.
  nonisolated(unsafe) private let place: UnsafePointer<NodeEngine>
  var engine: NodeEngine {
    @inline(__always)
    unsafeAddress { place }
  }
  let space: SharedAddressSpace
  let objects: ObjectTable
  let segments: SegmentTable
  let heap: GlobalHeap
  let holders = Holders()
  let pins = Pins()
  let log: Logger
  let memory: NodeFiles
  private let connected: ConnectedFabric
  private let service: ServiceThread
  private let collectives: Mutex<Collectives>
  /// A view that the program attached: of which segment, and which generation of it.
  private struct AttachedView {
    let view: ViewID
    let index: Int
    let generation: UInt64
    let pages: PageRange
  }
  /// By their addresses.
  private let views = Mutex<[UInt: AttachedView]>([:])

  /// Where this process is in its life as a node.
  enum Stage {
    case notJoined
    case joined(Runtime)
    case left
  }
  private static let stage = Mutex<Stage>(.notJoined)
  /// The node that this process is, as `stage` has it, for those who come often: its address, or 0. Held
  /// until the end of `finalize`, at whose beginning it becomes 0: who is at a lock keeps a node from leaving
  /// (`reasonToStay`), and after that comes a barrier. A thread that reads the address and sleeps for all of
  /// that, before it is at the lock, would find the memory unmapped as well.
  private static let joined = Atomic<UInt>(0)

  /// Under the lock of `stage`, which has changed.
  private static func publish(_ stage: Stage) {
    // Release: pairs with `current`.
    guard case .joined(let runtime) = stage else { return joined.store(0, ordering: .releasing) }
    joined.store(UInt(bitPattern: Unmanaged.passUnretained(runtime).toOpaque()), ordering: .releasing)
  }

  init(
    job: Job, engine: NodeEngine, space: SharedAddressSpace, memory: NodeFiles, connected: ConnectedFabric,
    service: ServiceThread, log: Logger
  ) {
    self.job = job
    self.connected = connected
    self.service = service
    let place = UnsafeMutablePointer<NodeEngine>.allocate(capacity: 1)
    place.initialize(to: engine)
    self.place = UnsafePointer(place)
    self.space = space
    self.memory = memory
    self.log = log
    objects = ObjectTable(engine: engine, known: KnownHandles(memory.handleMemory))
    let (upper, tableCount) = (engine.layout.upper, SegmentTable.wordCount(engine.configuration))
    segments = SegmentTable(engine: engine, words: upper.words(0, count: tableCount), objects: objects)
    let mailboxes = upper.words(tableCount, count: Collectives.wordCount)
    collectives = Mutex(Collectives(engine: engine, words: mailboxes))
    heap = GlobalHeap(engine: engine, base: space.base)
  }

  private static let forkedChild = MerinoError(
    .forked,
    "this process is a child made by fork() of a node; it is no part of the job and must not use shared "
      + "memory. Start it by the launcher, or call fork() before joining.")

  deinit {
    let place = UnsafeMutablePointer(mutating: place)
    place.deinitialize(count: 1)
    place.deallocate()
  }

  /// `body` with the node that this process is, for what is called millions of times: takes no lock, and
  /// counts no reference.
  @inline(__always)
  static func withCurrent(_ body: (Runtime) throws(MerinoError) -> Void) throws(MerinoError) {
    guard !FaultHandler.isForkedChild,
      let address = UnsafeRawPointer(bitPattern: joined.load(ordering: .acquiring))
    else { return try body(try current()) }
    // Lives: see `joined`.
    var failure: MerinoError?
    Unmanaged<Runtime>.fromOpaque(address)._withUnsafeGuaranteedRef { runtime in
      do throws(MerinoError) { try body(runtime) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// The node that this process is.
  static func current() throws(MerinoError) -> Runtime {
    if FaultHandler.isForkedChild { throw forkedChild }
    return try stage.withLock { stage throws(MerinoError) in
      switch stage {
      case .joined(let runtime): return runtime
      case .notJoined:
        throw MerinoError(
          .notJoined, "this process has not joined a job: call merino_init, or Cluster.join, first.")
      case .left:
        throw MerinoError(.notJoined, "this process has left its job by finalize; a process joins once.")
      }
    }
  }

  static func join(_ options: ClusterOptions) throws(MerinoError) -> Runtime {
    // Before the lock, which another thread may have held when the process forked.
    if FaultHandler.isForkedChild { throw forkedChild }
    return try stage.withLock { stage throws(MerinoError) in
      guard case .notJoined = stage else {
        throw MerinoError(
          .alreadyJoined, "could not join: this process has joined before; a process joins once in its life.")
      }
      if let other = ProcessClaim.take() {
        throw MerinoError(
          .alreadyJoined,
          "could not join: another copy of Merino, in \(other), has joined in this process, and a process "
            + "joins once. Link the program and all its libraries with one libmerino.so, and none of them "
            + "with libmerino.a."
        )
      }
      do throws(MerinoError) {
        let runtime = try Joining.join(options)
        stage = .joined(runtime)
        // Released at the end of `finalize`.
        _ = Unmanaged.passRetained(runtime)
        publish(stage)
        return runtime
      } catch {
        ProcessClaim.giveUp()
        throw error
      }
    }
  }

  /// Begins to serve faults, once everything is there that they need.
  func start() throws(MerinoError) {
    let place = UnsafeMutableRawPointer.allocate(
      byteCount: MemoryLayout<EngineFaultService>.stride + EngineFaultService.reportByteCount, alignment: 64)
    let report = place + MemoryLayout<EngineFaultService>.stride
    report.initializeMemory(as: UInt8.self, repeating: 0, count: EngineFaultService.reportByteCount)
    place.bindMemory(to: EngineFaultService.self, capacity: 1)
      .initialize(
        to: EngineFaultService(engine: engine, translation: space.translation, report: report, loss: job.loss)
      )
    Loss.record.withLock { $0 = job.loss }
    // Never freed: a handler may be looking at it until the process ends.
    faultServiceAddress = UInt(bitPattern: place)
    do throws(SystemError) {
      try FaultHandler.install(faultEntry)
    } catch {
      throw MerinoError(.system, error.description)
    }
    try service.start(engine)
  }

  func exchange(
    _ values: [UInt64], from nodes: Range<Int>, _ call: Collectives.Call, _ attempt: String,
    _ body: (Int, [UInt64]) -> Void
  ) throws(MerinoError) {
    try collectives.withLock { collectives throws(MerinoError) in
      try collectives.exchange(values, from: nodes, call, attempt, body)
    }
  }

  // MARK: Views

  func attach(
    _ segment: Segment, at address: UnsafeMutableRawPointer?, _ protection: ViewProtectionLimit
  ) throws(MerinoError) -> UnsafeMutableRawBufferPointer {
    let entry = try segments.attach(segment.index, segment.generation)
    do throws(MerinoError) {
      return try map(entry, segment, at: address, protection)
    } catch {
      try? segments.detach(segment.index, segment.generation)
      throw error
    }
  }

  private func map(
    _ entry: SegmentEntry, _ segment: Segment, at address: UnsafeMutableRawPointer?,
    _ protection: ViewProtectionLimit
  ) throws(MerinoError) -> UnsafeMutableRawBufferPointer {
    try define(entry.shape)
    let range = engine.configuration.bytes(of: entry.pages)
    let extent: ViewExtent
    do throws(AddressSpaceError) {
      extent = try space.attach(
        range, at: address.map { UInt(bitPattern: $0) }, limit: protection == .read ? .read : .readWrite)
    } catch {
      throw MerinoError(error)
    }
    let view = AttachedView(
      view: extent.view, index: segment.index, generation: segment.generation, pages: entry.pages)
    views.withLock { $0[extent.address] = view }
    return UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(bitPattern: extent.address), count: Int(entry.bytes))
  }

  /// Makes the shape of a segment known here before any of its pages is touched, and offers this node
  /// as home where the placement wishes it.
  func define(_ shape: SegmentShape) throws(MerinoError) {
    guard !isAllocationRefused(), views.withLock({ _ in engine.pages.define(shape) }) else {
      throw MerinoError(
        .limitReached,
        "could not attach a segment: this node knows as many as it has room for "
          + "(\(engine.configuration.shapeCount)); set MERINO_SEGMENTS to more on all nodes.")
    }
    try attempting("prepare a segment's pages") { () throws(EngineError) in try engine.offerPlacement(shape) }
  }

  func detach(_ address: UnsafeMutableRawPointer) throws(MerinoError) {
    let key = UInt(bitPattern: address)
    try attempting("detach 0x\(String(key, radix: 16))") { () throws(EngineError) in try engine.checkPeers() }
    let found = views.withLock { $0[key] }
    guard let found else {
      throw MerinoError(
        .badAddress, "could not detach 0x\(String(key, radix: 16)): no view of a segment begins there.")
    }
    if pins.overlap(found.pages) {
      throw MerinoError(.busy, "could not detach 0x\(String(key, radix: 16)): a part of it is pinned.")
    }
    guard views.withLock({ $0.removeValue(forKey: key) }) != nil else {
      throw MerinoError(
        .badAddress, "could not detach 0x\(String(key, radix: 16)): another thread is detaching it.")
    }
    var isUnmapped = false
    do throws(MerinoError) {
      // What was written is placed before anybody can find that the last view is gone.
      try attempting("detach a view") { () throws(EngineError) in try engine.release() }
      try segments.detach(found.index, found.generation) {
        // No error: this thread alone has taken the view out of the views.
        try? space.detach(found.view)
        isUnmapped = true
      }
    } catch {
      if !isUnmapped { views.withLock { $0[key] = found } }
      throw error
    }
  }

  /// Views of this process of one segment.
  func viewCount(_ segment: Segment) -> Int {
    views.withLock { views in
      views.values.count { $0.index == segment.index && $0.generation == segment.generation }
    }
  }

  func translate(
    _ address: UInt, byteCount: Int, writing: Bool
  ) throws(MerinoError) -> (globalOffset: Int, view: ViewID) {
    guard let extent = space.translation.extent(containing: address),
      byteCount <= extent.byteCount - Int(address - extent.address)
    else {
      throw MerinoError(
        .badAddress,
        "\(byteCount) bytes at 0x\(String(address, radix: 16)) are not in one view of shared memory.")
    }
    if writing && extent.limit != .readWrite {
      throw MerinoError(
        .accessDenied,
        "0x\(String(address, radix: 16)) is in a read-only view; attach the segment for writing.")
    }
    return (extent.globalStart + Int(address - extent.address), extent.view)
  }

  /// The pages of a range and their view; `nil` for an empty range.
  func place(
    _ range: UnsafeRawBufferPointer, writing: Bool
  ) throws(MerinoError) -> (pages: PageRange, view: ViewID)? {
    if range.isEmpty { return nil }
    let found = try translate(UInt(bitPattern: range.baseAddress), byteCount: range.count, writing: writing)
    let bytes = found.globalOffset..<found.globalOffset + range.count
    return (engine.configuration.pages(ofBytes: bytes), found.view)
  }

  func unlessBusy(
    _ attempt: String, _ body: () throws(EngineError) -> Void
  ) throws(MerinoError) -> Bool {
    do throws(EngineError) {
      try body()
      return true
    } catch .busy {
      return false
    } catch {
      throw MerinoError(engine: error, attempt)
    }
  }

  // MARK: Leaving

  /// Throws where this node cannot leave now. `then` goes with it: a thread that comes later finds what it
  /// did.
  func checkMayFinalize(_ then: (inout Stage) -> Void = { _ in }) throws(MerinoError) {
    try Self.stage.withLock { stage throws(MerinoError) in
      guard case .joined = stage else {
        throw MerinoError(.notJoined, "could not finalize: this process has left its job before.")
      }
      if let reason = reasonToStay() { throw reason }
      then(&stage)
      Self.publish(stage)
    }
  }

  func finalize() throws(MerinoError) {
    try checkMayFinalize { $0 = .left }
    var failure: MerinoError?
    do throws(MerinoError) {
      // Everybody is done with everybody's pages.
      try attempting("finalize") { () throws(EngineError) in try engine.barrier() }
    } catch {
      if error.code == .busy {
        // Another thread came before this one into the barrier.
        Self.stage.withLock {
          $0 = .joined(self)
          Self.publish($0)
        }
        throw error
      }
      failure = error
    }
    FaultHandler.uninstall()
    let barrier = failure == nil
    do throws(BootstrapError) {
      // Nobody reads this node's control memory any more behind this one.
      if barrier { try job.barrier() }
    } catch {
      failure = MerinoError(error)
    }
    service.stop()
    if engine.hasFailed {
      // No leave: the others wait for this node, in a barrier perhaps, and are told so that it is lost.
      job.disconnect()
    } else {
      do throws(BootstrapError) { try job.leave() } catch { failure = failure ?? MerinoError(error) }
    }
    space.close()
    connected.close()
    memory.unmap()
    // What was taken where it joined. Descriptors are closed with it.
    Unmanaged.passUnretained(self).release()
    if let failure { throw failure }
  }

  /// Takes back what `start` began, where joining failed behind it.
  func abandon() {
    FaultHandler.uninstall()
    service.stop()
    space.close()
  }

  func abort(code: Int32) -> Never {
    job.abort(code: code)
    _exit(code)
  }
}

extension MerinoError {
  init(_ error: AddressSpaceError) {
    let code: Code =
      switch error {
      case .addressInUse: .addressInUse
      case .invalidArgument: .invalidArgument
      case .tooManyViews: .limitReached
      case .noSuchView: .badAddress
      case .system(let error): error.code == ENOMEM ? .outOfMemory : .system
      }
    self.init(code, error.description)
  }

  init(_ error: BootstrapError) {
    let code: Code =
      switch error.kind {
      case .joinTimedOut: .timedOut
      case .peerLost, .launcherGone: .peerLost
      case .mismatch: .mismatch
      case .limitExceeded: .limitReached
      case .badEnvironment: .invalidArgument
      default: .system
      }
    self.init(code, error.description)
  }
}
