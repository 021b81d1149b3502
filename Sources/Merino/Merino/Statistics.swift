import Coherence

/// Counters of this node since it joined; pages are coherence units. Differences tell what a phase did.
///
/// Each has the words of its member of `merino_stats_t` in C, and of the structure in Fortran: `readFaults`
/// is `read_faults`. (docs/architecture.md, "Counters", has what the engine calls them.)
public struct Statistics: Sendable, Equatable {
  /// Page faults on loads.
  public var readFaults: UInt64 = 0
  /// Page faults on stores.
  public var writeFaults: UInt64 = 0
  /// Pages READ from their home, by a fault, by read-ahead or by prefetch.
  public var pagesFetched: UInt64 = 0
  /// Bytes of these pages.
  public var bytesFetched: UInt64 = 0
  /// Of these pages, those READ along with the one that a fault or a window of `prefetch` began with.
  public var pagesFetchedAhead: UInt64 = 0
  /// Pages that got their home by a write of this node.
  public var firstTouches: UInt64 = 0
  /// Twins made: first writes to cached pages.
  public var twins: UInt64 = 0
  /// Diffs sent to homes.
  public var diffsSent: UInt64 = 0
  /// Bytes of these diffs.
  public var diffBytesSent: UInt64 = 0
  /// Write notices appended to this node's log, one a page.
  public var noticesSent: UInt64 = 0
  /// Write notices of other nodes (ranges of pages) that this node applied.
  public var noticesReceived: UInt64 = 0
  /// Copies invalidated.
  public var invalidations: UInt64 = 0
  /// Acquires that found a log overwritten and invalidated every copy.
  public var logOverflows: UInt64 = 0
  /// Times a page at home went exclusive.
  public var exclusivePages: UInt64 = 0
  /// Times a release left a copy writable, since this node writes it behind each of them.
  public var hotPages: UInt64 = 0
  /// Pages that moved their home to this node.
  public var migrationsIn: UInt64 = 0
  /// Pages that moved their home away.
  public var migrationsOut: UInt64 = 0
  /// Lock acquisitions handed over between threads of this node.
  public var locksLocal: UInt64 = 0
  /// Lock acquisitions through the lock's home. The library's own locks count too: those of the allocator,
  /// and one for each step of a condition, semaphore or reader-writer lock.
  public var locksRemote: UInt64 = 0
  /// Barriers of all nodes.
  public var barriers: UInt64 = 0
  /// Atomics on shared words.
  public var atomics: UInt64 = 0
}

extension Cluster {
  /// This node's counters; all 0 in a process that is no node any more.
  public var statistics: Statistics {
    guard let engine = try? runtime.engine else { return Statistics() }
    var s = Statistics()
    s.readFaults = engine.count(.readFaults)
    s.writeFaults = engine.count(.writeFaults)
    s.pagesFetched = engine.count(.pagesFetched)
    s.bytesFetched = engine.count(.bytesFetched)
    s.pagesFetchedAhead = engine.count(.readAheadPages)
    s.firstTouches = engine.count(.firstTouches)
    s.twins = engine.count(.twins)
    s.diffsSent = engine.count(.diffsSent)
    s.diffBytesSent = engine.count(.diffBytes)
    s.noticesSent = engine.count(.noticesSent)
    s.noticesReceived = engine.count(.noticesReceived)
    s.invalidations = engine.count(.invalidations)
    s.logOverflows = engine.count(.logOverflows)
    s.exclusivePages = engine.count(.exclusivePages)
    s.hotPages = engine.count(.hotPages)
    s.migrationsIn = engine.count(.pagesMovedHere)
    s.migrationsOut = engine.count(.pagesMovedAway)
    s.locksLocal = engine.count(.lockLocalHandOvers)
    s.locksRemote = engine.count(.lockAcquires) &- s.locksLocal
    s.barriers = engine.count(.barriers)
    s.atomics = engine.count(.atomics)
    return s
  }

  /// Bytes of the global address space in use by segments, of all nodes.
  ///
  /// - Throws: `.peerLost`.
  public func segmentBytesInUse() throws(MerinoError) -> Int { try runtime.segments.bytesInUse() }
}
