import Fabric
import Platform
import Verbs

/// How a node uses its device. All nodes of a job have the same `laneCount` and `method`.
public struct VerbsSettings: Sendable {
  /// How connections are made.
  public enum Method: String, Sendable, CaseIterable {
    /// By librdmacm where every node's port has an IP address, else by `exchange`.
    case auto
    /// By librdmacm: the address decides over GID, MTU and route.
    case cm
    /// By LIDs, GIDs and queue pair numbers that the nodes tell each other through the bootstrap.
    case exchange
  }

  /// The device's name, and its port if there is one behind a colon: "mlx5_0", "mlx5_0:2". `nil`: the first
  /// that does.
  public var device: String?
  /// The local IP address to connect from and to; `nil`: the port's own.
  public var address: String?
  /// How connections are made.
  public var method = Method.auto
  /// Connections to each peer, 1...4.
  public var laneCount = 1
  /// Requests that a connection holds; a power of two from 16 to 4,096. Less where the device has less.
  public var queueLength = 256
  /// Index into the port's table of partition keys; for `exchange`. (With librdmacm the interface decides.)
  public var partitionKeyIndex = 0
  /// InfiniBand's service level, 0...15; for `exchange`.
  public var serviceLevel = 0
  /// The IP header's traffic class, 0...255: what switches on RoCE networks go by.
  public var trafficClass: Int?
  /// Index into the port's GID table, 0...255 (what an address handle can name); for `exchange`. `nil`:
  /// chosen.
  public var gidIndex: Int?
  /// Time to wait for an acknowledgement: 4.096 us times 2 to this power, 1...31. `nil`: librdmacm's choice,
  /// and 16 (0.27 s) for `exchange`.
  public var acknowledgeTimeoutExponent: Int?
  /// Retransmissions before a connection fails, 0...7.
  public var retryCount = 7

  /// The defaults.
  public init() {}

  /// Throws where a value is out of range. The names are those of the environment's variables.
  public func check() throws(VerbsFabricError) {
    try Self.check(laneCount, 1...4, "MERINO_LANES")
    try Self.check(queueLength, 16...4096, "MERINO_QUEUE_LENGTH")
    try Self.check(partitionKeyIndex, 0...65_535, "MERINO_PKEY_INDEX")
    try Self.check(serviceLevel, 0...15, "MERINO_SERVICE_LEVEL")
    try Self.check(trafficClass ?? 0, 0...255, "MERINO_TRAFFIC_CLASS")
    try Self.check(gidIndex ?? 0, 0...255, "MERINO_GID_INDEX")
    try Self.check(acknowledgeTimeoutExponent ?? 16, 1...31, "MERINO_ACK_TIMEOUT")
    try Self.check(retryCount, 0...7, "MERINO_RETRY_COUNT")
  }

  private static func check(
    _ value: Int, _ range: ClosedRange<Int>, _ name: String
  ) throws(VerbsFabricError) {
    if range.contains(value) { return }
    throw .setting("\(name)=\(value) is out of range: \(range.lowerBound) to \(range.upperBound).")
  }

  /// What `device` names.
  func demanded() throws(VerbsFabricError) -> DeviceDemand? {
    guard let device else { return nil }
    if let demand = DeviceDemand(device) { return demand }
    throw .setting(
      "MERINO_DEVICE=\(device) names no device: write its name, and its port if it matters, as in mlx5_0 or "
        + "mlx5_0:1 (ibv_devices lists them).")
  }
}

extension VerbsSettings {
  /// The number of a connection.
  func connection(_ peer: NodeID, _ lane: Lane) -> Int { peer.number * laneCount + lane.number }
  var lanes: OrdinalRange<LaneKind> { OrdinalRange(0, count: laneCount) }
}
