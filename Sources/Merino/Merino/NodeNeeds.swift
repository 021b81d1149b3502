import Coherence
import Node
import VerbsFabric

/// What a node of a job takes of its host, worked out before there is a job: for `merino doctor`. The sizes
/// are those that nodes with the settings of this environment would agree on.
package struct NodeNeeds: Sendable {
  /// Bytes of the global address space.
  package let capacityByteCount: Int
  /// Where no capacity was asked for and the limit of locked memory decided it: that limit.
  package let capacityLimitedBy: UInt64?
  /// Memory that the other nodes write to; registered with the device for as long as the job runs.
  package let controlByteCount: Int
  /// Private memory, most of it twins; sparse.
  package let localByteCount: Int
  /// Nodes of the job.
  package let nodeCount: Int

  /// Bytes that are registered with the device at a time.
  package static let chunkByteCount = Agreement.chunkByteCount

  /// - Parameters:
  ///   - nodeCount: nodes of the job, all with these settings.
  ///   - capacityByteCount: instead of `MERINO_CAPACITY`.
  ///   - lockableByteCount: the limit of locked memory, all ones where there is none.
  ///   - isRegistered: whether memory is registered with a device.
  /// - Throws: what a node would throw that joins with these settings.
  package init(
    nodeCount: Int, capacityByteCount: Int?, lockableByteCount: UInt64, isRegistered: Bool
  ) throws(MerinoError) {
    var options = ClusterOptions()
    options.capacityByteCount = capacityByteCount
    _ = try VerbsSettings.fromEnvironment()
    var announcement = try Announcement(options)
    announcement.lockableByteCount = lockableByteCount
    let agreement = try Agreement(
      Array(repeating: announcement, count: nodeCount), isRegistered: isRegistered)
    let configuration = agreement.configuration
    self.nodeCount = nodeCount
    self.capacityByteCount = configuration.capacityByteCount
    capacityLimitedBy = agreement.capacityLimitedBy
    controlByteCount = Agreement.layout(configuration).byteCount
    localByteCount = NodeEngine.localByteCount(configuration)
  }

  /// A number of bytes as `MERINO_CAPACITY` is written, with K, M, G or T; `name` is for the error.
  package static func byteCount(_ text: String, of name: String) throws(MerinoError) -> Int {
    try EnvironmentSettings.byteCount(text, of: name)
  }
}
