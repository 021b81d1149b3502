import VerbsFloor

extension BenchmarkJob {
  /// Collective: one-way times of a WRITE between nodes 0 and 1, both ends taking part; empty on other nodes
  /// and without verbs.
  func pingPong(byteCount: Int, count: Int) throws -> [UInt64] {
    guard floor.isVerbs else { return [] }
    floor.end?.preparePingPong()
    try cluster.barrier()
    guard let end = floor.end else { return [] }
    _ = try end.pingPong(byteCount: byteCount, count: options.warmUpCount, begins: isMeasuring)
    return try end.pingPong(
      byteCount: byteCount, count: count, begins: isMeasuring, after: options.warmUpCount)
  }
}
