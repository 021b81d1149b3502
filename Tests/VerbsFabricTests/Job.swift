import CFakeProvider
import Fabric
import Glibc
import Platform
import Testing
import Verbs

@testable import VerbsFabric

/// The parent of every suite that uses the fake device: its switches (fail the next call, and so on) belong
/// to the whole process, so these suites run one after the other.
@Suite(.serialized) enum FakeFabric {}

/// Runs a test on the fake devices. Afterwards everything is closed, in the right order, no completion queue
/// has overrun, and the fake is as before.
func onFake(_ body: () throws -> Void) throws {
  cfake_enable(1)
  defer { cfake_enable(0) }
  let liveBefore = cfake_live()
  let violationsBefore = cfake_order_violations()
  let overrunsBefore = cfake_overruns()
  defer {
    cfake_hold_reports(0)
    cfake_limit_inline(4096)
    cfake_set_port(2, 3)
  }
  _ = cfake_most_used()
  try body()
  #expect(cfake_live() == liveBefore, "something was not closed")
  #expect(cfake_order_violations() == violationsBefore, "a parent was closed before its child")
  #expect(cfake_overruns() == overrunsBefore, "a completion queue overran")
}

/// A node's memory: mapped, and unmapped at its end.
final class TestMemory: @unchecked Sendable {
  static let controlByteCount = 256 << 10
  static let chunkByteCount = 64 << 10
  static let chunkCount = 4
  let memory: NodeMemory
  private let base: UnsafeMutableRawPointer
  private static let byteCount = controlByteCount + chunkByteCount * chunkCount

  init() {
    guard
      let base = mmap(nil, Self.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      base != MAP_FAILED
    else { fatalError("mmap failed with errno \(errno)") }
    self.base = base
    memory = NodeMemory(
      control: base, controlByteCount: Self.controlByteCount, frames: base + Self.controlByteCount,
      framesByteCount: Self.chunkByteCount * Self.chunkCount, chunkByteCount: Self.chunkByteCount)
  }

  deinit { munmap(base, Self.byteCount) }
}

/// One node of a job that lives in this process.
struct TestNode: Sendable {
  let endpoint: VerbsEndpoint
  let fabric: VerbsFabric
  let refusals: [String]
  // The last to go.
  let memory: TestMemory

  /// Flights in this node's control memory, out of the way of what tests put there.
  func flight(_ index: Int = 0) -> Flight { Flight(memory.memory.control + 4096 + index * 64) }
  func local(_ offset: Int) -> UnsafeMutableRawPointer { memory.memory.control + 8192 + offset }
  func word(_ offset: Int) -> UInt64 { local(offset).load(as: UInt64.self) }
  /// The same place in this node, as others name it.
  func remote(_ offset: Int, as seenBy: TestNode) -> RemoteAddress {
    seenBy.fabric.controlMemory(of: fabric.node).advanced(by: 8192 + offset)
  }

  /// Submits what `body` gathers, and polls until the flight has landed; its failure.
  func run(
    to peer: TestNode, lane: Int = 0, _ body: (inout VerbsBatch) -> Void
  ) -> FabricFailure? {
    var batch = fabric.open(peer.fabric.node, lane: Lane(lane))
    body(&batch)
    fabric.submit(batch, flight())
    return land(flight())
  }

  /// As the engine waits, with a limit: the flight's failure, which is taken out; `nil` where it ended well.
  func land(_ flight: Flight) -> FabricFailure? {
    let deadline = ContinuousClock.now + .seconds(20)
    while flight.pending.load() != 0 {
      fabric.poll()
      guard ContinuousClock.now < deadline else {
        Issue.record("a flight has not landed: \(flight.pending.load()) are pending")
        return nil
      }
    }
    return flight.takeFailure()
  }
}

/// All nodes of a job, connected. Everything is closed at the end.
struct TestJob {
  let nodes: [TestNode]
  static let secret: (UInt64, UInt64) = (0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321)

  init(_ nodeCount: Int, byAddress: Bool = true, _ settings: VerbsSettings = VerbsSettings()) throws {
    let memories = (0..<nodeCount).map { _ in TestMemory() }
    let endpoints = try (0..<nodeCount).map {
      try Self.endpoint($0, of: nodeCount, byAddress: byAddress, memories[$0], settings)
    }
    let invitations = endpoints.map(\.invitation)
    let refusals = try onThreads(nodeCount) { node in
      try endpoints[node].connect(invitations, timeoutMilliseconds: 10_000)
    }.map { try $0.get() }
    let keys = endpoints.map(\.keys)
    nodes = try (0..<nodeCount).map {
      TestNode(
        endpoint: endpoints[$0], fabric: try endpoints[$0].fabric(keys), refusals: refusals[$0],
        memory: memories[$0])
    }
  }

  static func endpoint(
    _ node: Int, of nodeCount: Int, byAddress: Bool = true, _ memory: TestMemory,
    _ settings: VerbsSettings = VerbsSettings()
  ) throws -> VerbsEndpoint {
    try VerbsEndpoint(
      try PortChoice(settings), settings, byAddress: byAddress, memory: memory.memory, node: NodeID(node),
      nodeCount: nodeCount, secret: Self.secret)
  }
}

/// `VerbsSettings` with a few of its values.
func settings(_ change: (inout VerbsSettings) -> Void) -> VerbsSettings {
  var settings = VerbsSettings()
  change(&settings)
  return settings
}

/// The failure of an operation to `peer`.
func failure(_ peer: Int, _ status: Int32) -> FabricFailure {
  FabricFailure(reason: .completionError, peer: Int32(peer), status: status)
}

/// READs the first word that tests use at `far`.
func read(_ near: TestNode, _ far: TestNode) -> FabricFailure? {
  near.run(to: far) {
    near.fabric.read(&$0, from: far.remote(0, as: near), into: near.local(0), byteCount: 8)
  }
}
