import Verbs

/// How long send queues are: as asked for, less where the device has less.
enum QueueLength {
  /// Bytes that are sent inline where the device can: marks, flags, lock words, clocks of small jobs, and
  /// most diffs.
  static let inlineByteCounts = [128, 64, 32, 0]

  /// A power of two, at least 16.
  static func fitting(
    _ device: DeviceAttributes, _ settings: VerbsSettings, nodeCount: Int
  ) throws(VerbsFabricError) -> Int {
    // One to each peer and lane, and the passive ends of the loopback.
    let pairCount = (nodeCount + 1) * settings.laneCount
    guard pairCount <= device.maximumQueuePairCount else {
      throw .setting(
        "could not connect \(nodeCount) nodes: the device has \(device.maximumQueuePairCount) queue pairs "
          + "and \(pairCount) are needed; set MERINO_LANES to less, or start fewer nodes.")
    }
    let perPair = device.maximumCompletionEntries / max(1, nodeCount * settings.laneCount)
    var length = 16
    while length * 2 <= min(settings.queueLength, device.maximumRequestsPerQueue, perPair) { length *= 2 }
    guard perPair >= 16 else {
      throw .setting(
        "could not connect \(nodeCount) nodes: the device's completion queues have "
          + "\(device.maximumCompletionEntries) entries, too few for \(nodeCount * settings.laneCount) "
          + "connections; set MERINO_LANES to less, or start fewer nodes.")
    }
    return length
  }

  /// What the device grants to a queue pair of this length; the inline limit is the largest that it takes.
  static func granted(
    _ domain: ProtectionDomain, _ queue: CompletionQueue, _ length: Int
  ) throws(VerbsFabricError) -> QueuePairCapacity {
    var failure: VerbsFabricError?
    for byteCount in inlineByteCounts {
      let asked = QueuePairCapacity(sendRequests: length, receiveRequests: 1, inlineByteCount: byteCount)
      do {
        let trial = try verbs("make a queue pair") { () throws(VerbsError) in
          try QueuePair(domain, send: queue, receive: queue, capacity: asked)
        }
        // What may be more than was asked for is not relied on: other queue pairs may get less.
        return QueuePairCapacity(
          sendRequests: length, receiveRequests: 1,
          inlineByteCount: min(trial.capacity.inlineByteCount, byteCount))
      } catch {
        failure = failure ?? error
      }
    }
    throw failure ?? .setting("could not make a queue pair.")
  }
}
