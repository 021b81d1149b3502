import BenchmarkSupport
import VerbsFloor

/// The plain operations that a hand-over cannot do without, the mean of both directions; node 0 is home of
/// the counter's page.
///
/// Both ways: the grant (clock and flag) arrives; the log of the other is read, two READs in one doorbell;
/// the write to the counter faults; the page is made read-only at the release. To node 1 besides: its copy is
/// made inaccessible, the fault READs and copies the page; at the release the page is compared with its twin,
/// and the diff's WRITE is followed by a READ.
struct HandOverFloors {
  private var grants: [UInt64] = []
  private var logs: [UInt64] = []
  private var reads: [UInt64] = []
  private var diffs: [UInt64] = []
  private var copyingFaults: [UInt64] = []
  private var bareFaults: [UInt64] = []
  private var protects: [UInt64] = []
  private var compares: [UInt64] = []

  /// Collective, right after hand-overs.
  mutating func measure(_ job: BenchmarkJob, _ unit: Int, count: Int) throws {
    let order = PageOrder.sequential(count: min(count, 200))
    try job.alone {
      copyingFaults += try FaultFloor.measure(
        order: order, pageByteCount: unit, frames: .resident, access: .write)
      bareFaults += try FaultFloor.measure(
        order: order, pageByteCount: unit, frames: .resident, access: .upgrade, copies: false)
      let local = try ReleaseFloor.measure(
        pageCount: 1, pageByteCount: unit, stride: 1, rounds: order.count)
      protects += local.protect
      compares += local.compare
      guard let end = job.floor.end else { return }
      logs += try end.times(.twoReads(byteCount: 8), count: count).total
      reads += try end.times(.read(byteCount: unit), count: count).total
      diffs += try end.times(.writeAndRead(byteCount: 8), count: count).total
    }
    grants += try job.pingPong(byteCount: job.cluster.nodeCount * 8, count: count)
  }

  func parts(_ unit: Int, nodeCount: Int) -> [FloorPart?] {
    let local = [
      FloorPart("page fault with copy", count: 0.5, nanoseconds: copyingFaults),
      FloorPart("page fault without copy", count: 0.5, nanoseconds: bareFaults),
      FloorPart("mprotect of a page", count: 1.5, nanoseconds: protects),
      FloorPart("memcmp of a page", count: 0.5, nanoseconds: compares),
    ]
    if reads.isEmpty { return local }
    return [
      FloorPart("one-way WRITE of \(nodeCount * 8) bytes", nanoseconds: grants),
      FloorPart("two READs of 8 bytes, one doorbell", nanoseconds: logs),
      FloorPart("READ of \(unit) bytes", count: 0.5, nanoseconds: reads),
      FloorPart("WRITE of 8 bytes and READ of 8, one doorbell", count: 0.5, nanoseconds: diffs),
    ] + local
  }
}
