import CMerino
import Merino

@c @implementation
public func mrn_broadcast(_ buffer: UnsafeMutableRawPointer?, _ bytes: Int, _ root: Int32) -> Int32 {
  result { () throws(MerinoError) in
    let cluster = try Cluster.current()
    guard bytes >= 0, bytes == 0 || buffer != nil else { throw nullArgument("merino_broadcast", "buffer") }
    try cluster.broadcast(UnsafeMutableRawBufferPointer(start: buffer, count: bytes), from: Int(root))
  }
}

private func reduce<T>(
  _ function: String, _ values: UnsafeMutablePointer<T>?, _ count: Int, _ operation: merino_op_t,
  _ body: (Cluster, [T], Reduction) throws(MerinoError) -> [T]
) -> Int32 {
  result { () throws(MerinoError) in
    let cluster = try Cluster.current()
    guard count >= 0, count == 0 || values != nil else { throw nullArgument(function, "values") }
    // The enumeration is unsigned to the compiler, and C passes any int: -1 too.
    let number = Int32(bitPattern: operation.rawValue)
    guard let reduction = Reduction(rawValue: number) else {
      throw MerinoError(.invalidArgument, "\(function): \(number) is no merino_op_t.")
    }
    let combined = try body(cluster, Array(UnsafeBufferPointer(start: values, count: count)), reduction)
    for (index, value) in combined.enumerated() { values?[index] = value }
  }
}

@c @implementation
public func mrn_allreduce_i64(
  _ values: UnsafeMutablePointer<Int64>?, _ count: Int, _ op: merino_op_t
) -> Int32 {
  reduce("merino_allreduce_i64", values, count, op) { cluster, given, reduction throws(MerinoError) in
    try cluster.allReduce(given, reduction)
  }
}

@c @implementation
public func mrn_allreduce_u64(
  _ values: UnsafeMutablePointer<UInt64>?, _ count: Int, _ op: merino_op_t
) -> Int32 {
  reduce("merino_allreduce_u64", values, count, op) { cluster, given, reduction throws(MerinoError) in
    try cluster.allReduce(given, reduction)
  }
}

@c @implementation
public func mrn_allreduce_f64(
  _ values: UnsafeMutablePointer<Double>?, _ count: Int, _ op: merino_op_t
) -> Int32 {
  reduce("merino_allreduce_f64", values, count, op) { cluster, given, reduction throws(MerinoError) in
    try cluster.allReduce(given, reduction)
  }
}

// MARK: Hints, pinning, statistics

@c @implementation
public func mrn_prefetch(_ address: UnsafeRawPointer?, _ bytes: Int) -> Int32 {
  result { () throws(MerinoError) in
    try Cluster.current().prefetch(try range(address, bytes, "merino_prefetch"))
  }
}

private func range(
  _ address: UnsafeRawPointer?, _ bytes: Int, _ function: String
) throws(MerinoError) -> UnsafeRawBufferPointer {
  guard bytes == 0 || address != nil else { throw nullArgument(function, "address") }
  // A size_t beyond the range of Int arrives negative.
  guard bytes >= 0 else {
    throw MerinoError(
      .badAddress, "\(function): \(UInt(bitPattern: bytes)) bytes are not in one view of shared memory.")
  }
  return UnsafeRawBufferPointer(start: address, count: bytes)
}

@c @implementation
public func mrn_pin(_ address: UnsafeMutableRawPointer?, _ bytes: Int, _ protection: Int32) -> Int32 {
  result { () throws(MerinoError) in
    let cluster = try Cluster.current()
    let limit = try protectionLimit(protection, "merino_pin")
    try cluster.pin(try range(address, bytes, "merino_pin"), writable: limit == .readWrite)
  }
}

@c @implementation
public func mrn_unpin(_ address: UnsafeMutableRawPointer?, _ bytes: Int) -> Int32 {
  result { () throws(MerinoError) in
    try Cluster.current().unpin(try range(address, bytes, "merino_unpin"))
  }
}

@c @implementation
public func mrn_stats(_ stats: UnsafeMutablePointer<merino_stats_t>?) -> Int32 {
  result { () throws(MerinoError) in
    let cluster = try Cluster.current()
    guard let stats else { throw nullArgument("merino_stats", "stats") }
    let s = cluster.statistics
    var filled = merino_stats_t()
    filled.read_faults = s.readFaults
    filled.write_faults = s.writeFaults
    filled.pages_fetched = s.pagesFetched
    filled.pages_fetched_ahead = s.pagesFetchedAhead
    filled.bytes_fetched = s.bytesFetched
    filled.first_touches = s.firstTouches
    filled.diffs_sent = s.diffsSent
    filled.diff_bytes_sent = s.diffBytesSent
    filled.notices_sent = s.noticesSent
    filled.notices_received = s.noticesReceived
    filled.invalidations = s.invalidations
    filled.log_overflows = s.logOverflows
    filled.migrations_in = s.migrationsIn
    filled.migrations_out = s.migrationsOut
    filled.exclusive_pages = s.exclusivePages
    filled.hot_pages = s.hotPages
    filled.locks_local = s.locksLocal
    filled.locks_remote = s.locksRemote
    filled.barriers = s.barriers
    filled.twins = s.twins
    filled.atomics = s.atomics
    filled.heap_bytes_in_use = try amount { () throws(MerinoError) in try cluster.heapBytesInUse() }
    filled.segment_bytes_in_use = try amount { () throws(MerinoError) in try cluster.segmentBytesInUse() }
    try fill(stats, filled, size: \.size, "merino_stats")
  }
}

/// What is asked of other nodes: 0 where one is lost. This node's own counters are told all the same.
private func amount(_ body: () throws(MerinoError) -> Int) throws(MerinoError) -> UInt64 {
  do throws(MerinoError) {
    return UInt64(try body())
  } catch {
    guard error.code == .peerLost || error.code == .fabric else { throw error }
    return 0
  }
}
