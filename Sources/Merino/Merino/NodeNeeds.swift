import Coherence
import Node
import VerbsFabric

/// What a node of a job takes of its host, worked out before there is a job: for `merino doctor`. The sizes
/// are those that nodes with the settings of this environment would agree on.
package struct NodeNeeds: Sendable {
  /// Bytes of the global address space.
  package let capacityByteCount: Int
  /// What decided a capacity that nobody asked for, where it is less than there would be without.
  package let capacityBound: CapacityBound?
  /// Memory that the other nodes write to; registered with the device for as long as the job runs.
  package let controlByteCount: Int
  /// Memory without which a node does nothing: control memory where it is registered, a chunk, and what the
  /// library has of its own.
  package let residentByteCount: Int
  /// Private memory, most of it twins; sparse.
  package let localByteCount: Int
  /// Nodes of the job.
  package let nodeCount: Int

  /// Bytes that are registered with the device at a time.
  package static let chunkByteCount = Agreement.chunkByteCount
  /// The addresses that a process has.
  package static let processAddressByteCount = Agreement.processAddressByteCount
  /// What joining leaves of private memory, measured and rounded up.
  private static let ownByteCount = 2 << 20

  /// - Parameters:
  ///   - nodeCount: nodes of the job, all with these settings.
  ///   - capacityByteCount: instead of `MERINO_CAPACITY`.
  ///   - lockableByteCount: the limit of locked memory, all ones where there is none.
  ///   - room: what a node may reserve of its host.
  ///   - isRegistered: whether memory is registered with a device; if not, all nodes are on one host.
  /// - Throws: what a node would throw that joins with these settings.
  package init(
    nodeCount: Int, capacityByteCount: Int?, lockableByteCount: UInt64, room: HostRoom, isRegistered: Bool
  ) throws(MerinoError) {
    var options = ClusterOptions()
    options.capacityByteCount = capacityByteCount
    _ = try VerbsSettings.fromEnvironment()
    var announcement = try Announcement(options)
    announcement.lockableByteCount = lockableByteCount
    announcement.room = room
    let agreement = try Agreement(
      Array(repeating: announcement, count: nodeCount), nodesPerHost: isRegistered ? 1 : nodeCount,
      isRegistered: isRegistered)
    let configuration = agreement.configuration
    self.nodeCount = nodeCount
    self.capacityByteCount = configuration.capacityByteCount
    capacityBound = agreement.capacityBound
    controlByteCount = Agreement.layout(configuration).byteCount
    residentByteCount = (isRegistered ? controlByteCount : 0) + Agreement.chunkByteCount + Self.ownByteCount
    localByteCount = NodeFiles.localByteCount(configuration)
  }

  /// A number of bytes as `MERINO_CAPACITY` is written, with K, M, G or T; `name` is for the error.
  package static func byteCount(_ text: String, of name: String) throws(MerinoError) -> Int {
    try EnvironmentSettings.byteCount(text, of: name)
  }
}
