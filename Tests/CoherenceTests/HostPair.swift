import Fabric
import Glibc
import HostFabric
import Platform

@testable import Coherence

/// Two nodes in this process, over the host fabric: operations complete at once, so one thread plays both, and between
/// two calls a test may overwrite whatever it likes.
final class HostPair {
  enum Setting: Environment {
    typealias F = HostFabric
    typealias P = NoProtection
    typealias X = OneThread
    typealias M = NoMutations
  }

  /// Frames are looked at directly; there are no views.
  struct NoProtection: Protection {
    func lower(_ pages: Range<Int>, to access: Access) {}
    func raise(_ pages: Range<Int>, to access: Access, in view: ViewID) {}
    func setPinned(_ pages: Range<Int>, _ pinned: Bool) {}
    func discardFrames(_ pages: Range<Int>) {}
  }

  struct OneThread: Execution {
    let lost: AtomicWord
    func pause(_ backoff: inout Backoff) {
      // Nobody else runs: what is waited for does not come, and a test that waits for it is told so.
      if lost.fetchAdd(1 << 32) >> 32 > 10_000 { lost.store(Self.stuck) }
    }
    func interleave(_ site: Int) {}
    func enterCritical() -> UInt64 { 0 }
    func leaveCritical(_ saved: UInt64) {}
    func wakeService() {}
    var threadID: UInt32 { 1 }
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

  init() throws {
    var c = Configuration(nodeCount: 2, pageCount: 256)
    c.chunkShift = 4
    (c.logEntryCount, c.lockCount, c.lockSlotCount, c.epochEntryCount) = (64, 64, 16, 64)
    (c.moveCount, c.workspaceCount, c.shapeCount) = (64, 4, 8)
    configuration = c
    let layout = ControlLayout(c)
    self.layout = layout
    members = (0..<2).map { _ in
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
    fabrics = try (0..<2).map { [members, memories] in
      try HostFabric(node: $0, memory: memories[$0], members: members)
    }
    let byteCount = Engine<Setting>.localByteCount(c) + 4096
    localByteCount = byteCount
    locals = (0..<2).map { _ in Self.map(-1, byteCount) }
    losses = locals.map { AtomicWord($0 + byteCount - 4096) }
    engines = (0..<2).map { [fabrics, locals, losses] in
      Engine<Setting>(
        fabric: fabrics[$0], protection: NoProtection(), execution: OneThread(lost: losses[$0]),
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
  func word(_ node: Int, _ offset: Int) -> AtomicWord { AtomicWord(memories[node].control + offset) }

  /// A store to a page, as the application's: the fault, then the byte.
  func write(_ node: Int, page: Int, _ byte: UInt8) throws(EngineError) {
    try engines[node].fault(page: page, access: .readWrite, view: 0)
    memories[node].frames.storeBytes(of: byte, toByteOffset: page << configuration.pageShift, as: UInt8.self)
  }

  func read(_ node: Int, page: Int) throws(EngineError) -> UInt8 {
    try engines[node].fault(page: page, access: .read, view: 0)
    return memories[node].frames.load(fromByteOffset: page << configuration.pageShift, as: UInt8.self)
  }

  /// Both nodes up to where each has the other's message of a barrier: node 0's merged clock knows node 1's notices.
  func sealBoth() throws(EngineError) -> (BarrierMessage, BarrierMessage) {
    var messages = (BarrierMessage(), BarrierMessage())
    try engines[1].seal(&messages.1)
    try engines[0].seal(&messages.0)
    let theirs = Engine<Setting>.clockEntry(engines[1].local.mergedClock, 1)
    engines[0].local.mergedClock.storeBytes(of: theirs, toByteOffset: 8, as: UInt64.self)
    return messages
  }
}
