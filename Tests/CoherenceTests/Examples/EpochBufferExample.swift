import Fabric
import Platform
import Testing

@testable import Coherence

/// At a barrier each node seals the set of pages that it noted since the last one. What its other threads
/// note after the seal belongs to the next barrier (docs/protocol.md, section 7). Node 1 writes, node 0 has
/// copies; without exclusive at release, so that nothing is noticed but what was written.
@Suite struct EpochBufferExample {
  @Test func whatComesAfterTheSealBelongsToTheNextBarrier() throws {
    let pair = try HostPair { $0.mechanisms.remove(.exclusiveAtRelease) }
    for page in [5, 6] as [Page] { try pair.write(1, page: page, 1) }
    try pair.barrier()
    for page in [5, 6] as [Page] { #expect(try pair.read(0, page: page) == 1) }
    try pair.write(1, page: 5, 2)
    _ = try pair.sealBoth()
    // Another thread of node 1, which is not in the barrier.
    try pair.write(1, page: 6, 2)
    try pair.engines[1].release()
    try pair.engines[0].acquireEpoch()
    #expect(pair.state(0, page: 5) == .invalid && pair.state(0, page: 6) == .clean)
    // The next barrier's set has the other page, and only that.
    #expect(try pair.read(0, page: 5) == 2)
    _ = try pair.sealBoth()
    try pair.engines[0].acquireEpoch()
    #expect(pair.state(0, page: 5) == .clean && pair.state(0, page: 6) == .invalid)
    #expect(try pair.read(0, page: 6) == 2)
  }

  /// The set has the epoch's pages whatever became of the log, which is a ring of four entries here.
  @Test func aLogThatOverflowsBetweenBarriersCostsNoCopies() throws {
    let pair = try HostPair {
      $0.logEntryCount = 4
      $0.mechanisms.remove(.exclusiveAtRelease)
    }
    for page in PageRange(0, count: 40).by(2) { try pair.write(1, page: page, 1) }
    try pair.write(1, page: 200, 1)
    try pair.barrier()
    for page in [0, 200] as [Page] { #expect(try pair.read(0, page: page) == 1) }
    for page in PageRange(0, count: 40).by(2) { try pair.write(1, page: page, 2) }
    try pair.barrier()
    #expect(pair.state(0, page: 0) == .invalid && pair.state(0, page: 200) == .clean)
    #expect(pair.engines[0].count(.logOverflows) == 0)
  }
}
