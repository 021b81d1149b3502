import CFakeProvider
import Testing
import Verbs

/// The parent of every suite that uses the fake device: its switches (fail the next call, and so on) belong
/// to the whole process, so these suites run one after the other.
@Suite(.serialized) enum FakeDevice {}

/// Runs a test on the fake devices; afterwards everything is closed, in the right order.
func onFake(_ body: () throws -> Void) throws {
  cfake_enable(1)
  defer { cfake_enable(0) }
  let liveBefore = cfake_live()
  let violationsBefore = cfake_order_violations()
  try body()
  #expect(cfake_live() == liveBefore, "something was not closed")
  #expect(cfake_order_violations() == violationsBefore, "a parent was closed before its child")
}

/// Two queue pairs of one fake device, connected to each other, each with a region of its own.
struct Couple: ~Copyable {
  let domain: ProtectionDomain
  let queue: CompletionQueue
  let left: QueuePair
  let right: QueuePair
  let near: MemoryRegion
  let far: MemoryRegion

  init(
    capacity: QueuePairCapacity = QueuePairCapacity(), farAccess: MemoryAccess = .all, channel: Bool = false
  ) throws {
    let context = try Device.named("fake0").open()
    let domain = try ProtectionDomain(context)
    let completionChannel = channel ? try CompletionChannel(context) : nil
    let queue = try CompletionQueue(context, capacity: 64, channel: completionChannel)
    let left = try QueuePair(domain, send: queue, receive: queue, capacity: capacity)
    let right = try QueuePair(domain, send: queue, receive: queue, capacity: capacity)
    let near = try MemoryRegion(domain, allocating: 8192, access: .all)
    let far = try MemoryRegion(domain, allocating: 8192, access: farAccess)
    var settings = ConnectionSettings()
    settings.gidIndex = 1
    try connect(left, to: right, settings)
    try connect(right, to: left, settings)
    self.domain = domain
    self.queue = queue
    self.left = left
    self.right = right
    self.near = near
    self.far = far
  }

  /// What one poll brings.
  func completions() throws -> [WorkCompletion] {
    var found: [WorkCompletion] = []
    try queue.poll { found.append($0) }
    return found
  }
}

func connect(_ pair: borrowing QueuePair, to peer: borrowing QueuePair, _ settings: ConnectionSettings) throws
{
  try pair.initialize(settings, access: .all)
  try pair.becomeReadyToReceive(from: peer.address(settings, packetNumber: 7), settings)
  try pair.becomeReadyToSend(packetNumber: 7, settings)
}
