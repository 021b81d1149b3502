import Fabric
import Glibc
import HostFabric
import Platform
import SimulatedFabric

@testable import Coherence

/// Two nodes in this process, or more, over the host fabric: operations complete at once, so one thread plays
/// all of them, and between two calls a test may overwrite whatever it likes. What has to wait for another
/// node, a barrier say, goes by `atOnce`; what comes in the middle of a call, by `during`.
final class HostPair {
  enum Setting: Environment {
    typealias F = HostFabric
    typealias P = NoProtection
    typealias X = OneThread
    typealias M = NoMutations
    typealias W = BareMemory
  }

  /// Frames are looked at directly; there are no views.
  struct NoProtection: Protection, @unchecked Sendable {
    let frames: UnsafeMutableRawPointer
    let pageShift: Int

    func lower(_ pages: PageRange, to access: Access) {}
    func raise(_ pages: PageRange, to access: Access, in view: ViewID) {}
    func setPinned(_ pages: PageRange, _ pinned: Bool) {}
    func discardFrames(_ pages: PageRange) {
      memset(frames + (pages.lowerBound.number << pageShift), 0, pages.count << pageShift)
    }
  }

  /// What runs beside a call: the other threads of `atOnce`, and what `during` wants done in the middle of
  /// it.
  final class Company {
    var threads: Scheduler?
    var meanwhile: (() throws -> Bool)?
    var failure: (any Error)?
  }

  struct OneThread: Execution, @unchecked Sendable {
    let lost: AtomicWord
    /// Of the pair, which outlives its engines.
    let company: Unmanaged<Company>

    func pause(_ backoff: inout Backoff) {
      if let threads = company._withUnsafeGuaranteedRef({ $0.threads }) { return threads.pause() }
      // Nobody else runs: what is waited for does not come, and a test that waits for it is told so.
      if lost.fetchAdd(1 << 32) >> 32 > 10_000 { lost.store(Self.stuck) }
    }
    /// Called between two steps where another thread might come: here it does, if `during` wants it.
    func interleave(_ site: Int) {
      company._withUnsafeGuaranteedRef { company in
        guard let body = company.meanwhile else { return }
        // What it does has points of its own.
        company.meanwhile = nil
        do { if try !body() { company.meanwhile = body } } catch { company.failure = error }
      }
    }
    func enterCritical() -> UInt64 { 0 }
    func leaveCritical(_ saved: UInt64) {}
    func wakeService() {}
    var threadID: UInt32 {
      // 1 outside of `atOnce`, 2 and so on inside.
      company._withUnsafeGuaranteedRef { UInt32(truncatingIfNeeded: ($0.threads?.current ?? -1) + 2) }
    }
    func nowNanoseconds() -> UInt64 { 0 }
    var lostPeer: Int32 { Int32(truncatingIfNeeded: lost.load() &- 1) }
    static var stuck: UInt64 { 99 }
    /// As in production.
    func stop(_ violation: Violation) -> Never {
      let buffer = UnsafeMutableRawPointer.allocate(byteCount: LastWords.byteCount, alignment: 8)
      var words = LastWords(buffer)
      violation.append(to: &words)
      words.end()
    }
  }

  let configuration: Configuration
  let layout: ControlLayout
  let engines: [Engine<Setting>]
  let losses: [AtomicWord]
  private let members: [HostMember]
  private let memories: [NodeMemory]
  private let fabrics: [HostFabric]
  private let locals: [UnsafeMutableRawPointer]
  private let localByteCount: Int
  private let company = Company()

  /// `change`: what shall be otherwise than in the tests' usual job.
  init(nodeCount: Int = 2, _ change: (inout Configuration) -> Void = { _ in }) throws {
    var c = Configuration(nodeCount: nodeCount, pageCount: 256)
    c.chunkShift = 4
    (c.logEntryCount, c.lockCount, c.lockSlotCount, c.epochEntryCount) = (64, 64, 16, 64)
    (c.moveCount, c.workspaceCount, c.shapeCount) = (64, 4, 8)
    change(&c)
    configuration = c
    let layout = ControlLayout(c)
    self.layout = layout
    members = (0..<nodeCount).map { _ in
      HostMember(
        control: Self.file(layout.byteCount), controlByteCount: layout.byteCount,
        frames: Self.file(c.capacityByteCount), framesByteCount: c.capacityByteCount)
    }
    memories = members.map {
      NodeMemory(
        control: Self.map($0.control, $0.controlByteCount), controlByteCount: $0.controlByteCount,
        frames: Self.map($0.frames, $0.framesByteCount), framesByteCount: $0.framesByteCount,
        chunkByteCount: c.pageByteCount << c.chunkShift)
    }
    fabrics = try (0..<nodeCount).map { [members, memories] in
      try HostFabric(node: NodeID($0), memory: memories[$0], members: members)
    }
    let byteCount = Engine<Setting>.localByteCount(c) + 4096
    localByteCount = byteCount
    locals = (0..<nodeCount).map { _ in Self.map(-1, byteCount) }
    losses = locals.map { AtomicWord($0 + byteCount - 4096) }
    let beside = Unmanaged.passUnretained(company)
    engines = (0..<nodeCount).map { [fabrics, locals, losses, memories] in
      Engine<Setting>(
        fabric: fabrics[$0], protection: NoProtection(frames: memories[$0].frames, pageShift: c.pageShift),
        execution: OneThread(lost: losses[$0], company: beside),
        configuration: c, layout: layout, localMemory: locals[$0])
    }
  }

  deinit {
    for fabric in fabrics { fabric.close() }
    for (member, memory) in zip(members, memories) {
      munmap(memory.control, memory.controlByteCount)
      munmap(memory.frames, memory.framesByteCount)
      close(member.control)
      close(member.frames)
    }
    for local in locals { munmap(local, localByteCount) }
  }

  private static func file(_ byteCount: Int) -> Int32 {
    var path = Array("/tmp/merino-pair-XXXXXX".utf8CString)
    let file = mkstemp(&path)
    precondition(file >= 0 && ftruncate(file, byteCount) == 0, "no file of \(byteCount) bytes")
    unlink(path)
    return file
  }

  private static func map(_ file: Int32, _ byteCount: Int) -> UnsafeMutableRawPointer {
    let flags = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED | MAP_NORESERVE
    let at = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, file, 0)
    guard let at, at != MAP_FAILED else { preconditionFailure("no mapping of \(byteCount) bytes") }
    return at
  }

  /// A word of a node's control memory.
  func word(_ node: NodeID, _ place: OwnWord) -> AtomicWord { word(node, at: place.offset) }
  func word(_ node: NodeID, _ place: MailWord) -> AtomicWord { word(node, at: place.offset) }
  func word(_ node: NodeID, _ place: FabricWord) -> AtomicWord { word(node, at: place.offset) }
  func word(_ node: NodeID, _ places: LockedWords, _ index: Int = 0) -> AtomicWord {
    word(node, at: places.words(index, count: 1).offset)
  }
  private func word(_ node: NodeID, at offset: Int) -> AtomicWord {
    AtomicWord(memories[node.number].control + offset)
  }

  /// A store to a page, as the application's: the fault, then the byte.
  func write(_ node: NodeID, page: Page, at offset: Int = 0, _ byte: UInt8) throws(EngineError) {
    try engines[node.number].fault(page: page, access: .readWrite, view: 0)
    store(node, page: page, at: offset, byte)
  }

  func read(_ node: NodeID, page: Page, at offset: Int = 0) throws(EngineError) -> UInt8 {
    try engines[node.number].fault(page: page, access: .read, view: 0)
    return load(node, page: page, at: offset)
  }

  /// A store to a page that the application may write already: no fault.
  func store(_ node: NodeID, page: Page, at offset: Int, _ byte: UInt8) {
    let place = configuration.byteOffset(of: page) + offset
    memories[node.number].frames.storeBytes(of: byte, toByteOffset: place, as: UInt8.self)
  }

  func load(_ node: NodeID, page: Page, at offset: Int) -> UInt8 {
    memories[node.number].frames.load(
      fromByteOffset: configuration.byteOffset(of: page) + offset, as: UInt8.self)
  }

  /// What node `node` knows of a page.
  func state(_ node: NodeID, page: Page) -> PageState { engines[node.number].pages.load(page).state }

  /// Runs threads side by side, each on its node: one goes on until it waits, then another. Returns when all
  /// have ended; throws what the first of them threw that failed, or that all wait for each other.
  func atOnce(_ bodies: [(node: Int, body: (Engine<Setting>) throws(EngineError) -> Void)]) throws {
    let threads = Scheduler(seed: 1)
    company.threads = threads
    defer { company.threads = nil }
    var failure: EngineError?
    for (node, body) in bodies {
      threads.spawn("a thread of node \(node)", node: node) { [engines] in
        do throws(EngineError) { try body(engines[node]) } catch { failure = failure ?? error }
      }
    }
    try threads.run()
    if let failure { throw failure }
  }

  /// All nodes in the barrier.
  func barrier() throws {
    try atOnce(engines.indices.map { ($0, { engine throws(EngineError) in try engine.barrier() }) })
  }

  /// `call`; at each point of it where another thread may come in between `body` is asked, until it has
  /// returned true: it has done what it wanted.
  func during<R>(_ call: () throws -> R, meanwhile body: @escaping () throws -> Bool) throws -> R {
    company.meanwhile = body
    defer { (company.meanwhile, company.failure) = (nil, nil) }
    let result = try call()
    if let failure = company.failure { throw failure }
    return result
  }

  /// Both nodes up to where each has the other's message of a barrier: node 0's merged clock knows node 1's
  /// notices.
  func sealBoth() throws(EngineError) -> (BarrierMessage, BarrierMessage) {
    var messages = (BarrierMessage(), BarrierMessage())
    try engines[1].seal(&messages.1)
    try engines[0].seal(&messages.0)
    engines[0].local.mergedClock[1] = engines[1].local.mergedClock[1]
    return messages
  }
}

extension Engine where E == HostPair.Setting {
  /// For a thread of `atOnce`: others go on until `isSo`.
  func wait(until isSo: () -> Bool) {
    var backoff = Backoff()
    while !isSo() { execution.pause(&backoff) }
  }

  /// For a thread of `atOnce`: others go on for a while, as far as they can.
  func letOthersRun() {
    var turns = 0
    wait {
      turns += 1
      return turns > 30
    }
  }
}
