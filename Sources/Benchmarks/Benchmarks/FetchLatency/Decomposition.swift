import BenchmarkSupport
import VerbsFloor

/// Where the time of a refetch goes, as medians. Trap, map and resume are those of plain C faults with looks
/// at the clock in the handler; post and wire those of the plain verbs that a fault posts; the look-up is
/// what is left of the refetch, and so holds everything else that Merino does.
struct Decomposition {
  /// For the report, in microseconds, each with how it was got.
  let facts: [(String, JSON)]

  /// Node 1. Nil for too few samples.
  init?(_ job: BenchmarkJob, _ order: [UInt32], _ unit: Int, _ refetch: [UInt64]) throws {
    let plain = try FaultFloor.parts(order: order, pageByteCount: unit)
    var parts: [(String, [UInt64])] = [("trap_usec (measured, plain C)", plain.trap)]
    if let end = job.floor.end {
      let posted = try end.times(.markedRead(byteCount: unit), count: order.count)
      parts.append(("post_usec (measured, plain verbs)", posted.post))
      parts.append(("wire_usec (measured, plain verbs)", posted.wire))
    } else {
      parts.append(("wire_usec (measured, the copy in plain C)", plain.copy))
    }
    parts.append(("map_usec (measured, mprotect in plain C)", plain.protect))
    parts.append(("resume_usec (measured, plain C)", plain.resume))
    guard let whole = LatencyStatistics(nanoseconds: refetch)?.median else { return nil }
    var rest = whole
    var facts: [(String, JSON)] = []
    for (name, samples) in parts {
      guard let median = LatencyStatistics(nanoseconds: samples)?.median else { return nil }
      rest -= median
      facts.append((name, .number(median / 1000)))
    }
    facts.insert(("lookup_usec (by difference)", .number(rest / 1000)), at: 1)
    if let end = job.floor.end {
      facts += try Self.faultsThatFetch(end, order, unit, whole)
    }
    self.facts = facts
  }

  /// Plain C faults in whose handler the plain verbs are posted and waited for: a READ, and all that a fault
  /// posts.
  private static func faultsThatFetch(
    _ end: FloorEnd, _ order: [UInt32], _ unit: Int, _ whole: Double
  ) throws -> [(String, JSON)] {
    let operations: [(String, PlainOperation)] = [
      ("a_fault_that_reads", .read(byteCount: unit)),
      ("a_fault_that_marks_and_reads", .markedRead(byteCount: unit)),
    ]
    var facts: [(String, JSON)] = []
    for (name, operation) in operations {
      let times = try end.faults(carryingOut: operation, order: order, pageByteCount: unit)
      guard let median = LatencyStatistics(nanoseconds: times)?.median else { continue }
      facts.append(("\(name)_usec (measured, plain C and verbs)", .number(median / 1000)))
      facts.append(("refetch_by_\(name)", .number(whole / median)))
    }
    return facts
  }
}
