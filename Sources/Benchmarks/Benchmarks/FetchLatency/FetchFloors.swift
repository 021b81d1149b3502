import BenchmarkSupport
import VerbsFloor

/// The plain operations of a fetch: over verbs a READ and a page fault, else a page fault that copies.
struct FetchFloors {
  private var reads: [UInt64] = []
  private var smallReads: [UInt64] = []
  private var faults: [UInt64] = []
  private var firstFaults: [UInt64] = []

  /// Node 1, right after the fetches.
  mutating func measure(_ job: BenchmarkJob, _ order: [UInt32], _ unit: Int, isFirst: Bool) throws {
    if isFirst {
      firstFaults += try FaultFloor.measure(
        order: order, pageByteCount: unit, frames: job.floor.isVerbs ? .unmapped : .empty)
      if let end = job.floor.end {
        smallReads += try end.times(.read(byteCount: 8), count: order.count).total
      }
      return
    }
    faults += try FaultFloor.measure(order: order, pageByteCount: unit, frames: .resident)
    if let end = job.floor.end { reads += try end.times(.read(byteCount: unit), count: order.count).total }
  }

  /// Of a refetch.
  func again(_ unit: Int) -> [FloorPart?] {
    let fault = FloorPart("page fault: signal, copy, mprotect", nanoseconds: faults)
    return reads.isEmpty ? [fault] : [FloorPart("READ of \(unit) bytes", nanoseconds: reads), fault]
  }

  /// Of a first fetch: over verbs a READ of the directory's word more. There the frames have memory already,
  /// since it was registered, and the same fault is the floor; without verbs the fault takes new memory.
  func first(_ unit: Int) -> [FloorPart?] {
    guard !reads.isEmpty else {
      return [FloorPart("page fault into new memory: signal, copy, mprotect", nanoseconds: firstFaults)]
    }
    return again(unit) + [FloorPart("READ of 8 bytes", nanoseconds: smallReads)]
  }

  /// Over verbs: what the fault costs where the application's view knows nothing of the memory yet.
  var firstFacts: [(String, JSON)] {
    guard !reads.isEmpty, let statistics = LatencyStatistics(nanoseconds: firstFaults) else { return [] }
    return [("page_fault_of_unmapped_memory_usec", .number(statistics.median / 1000))]
  }
}
