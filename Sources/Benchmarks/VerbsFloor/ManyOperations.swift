import BenchmarkSupport
import Glibc
import Synchronization
import Verbs

extension FloorEnd {
  /// `count` WRITEs of `byteCount` bytes, chained, 256 to a doorbell and two doorbells in flight: nanoseconds
  /// until all have ended, an entry a round.
  public func chainedWrites(count: Int, byteCount: Int, rounds: Int) throws -> [UInt64] {
    var full = SendBatch(capacity: Self.chainLength)
    var rest = SendBatch(capacity: Self.chainLength)
    fill(&full.chain, Self.chainLength, byteCount)
    fill(&rest.chain, count % Self.chainLength, byteCount)
    return try Clock.times(count: rounds) { _ in
      var inFlight = 0
      for _ in 0..<count / Self.chainLength {
        try identifier.post(full)
        inFlight += 1
        if inFlight == 2 {
          try finish()
          inFlight -= 1
        }
      }
      if rest.chain.count > 0 {
        try identifier.post(rest)
        inFlight += 1
      }
      for _ in 0..<inFlight { try finish() }
    }
  }

  private func fill(_ chain: inout SendChain, _ count: Int, _ byteCount: Int) {
    // Places that differ, as those of diffs do, within what the peer lends.
    let places = max(1, halfByteCount / max(byteCount, 64))
    for index in 0..<count { write(&chain, byteCount, offset: index % places * max(byteCount, 64)) }
    chain.addToLast(.signaled)
  }

  /// `count` READs of `byteCount` bytes with up to 64 in flight: nanoseconds until all have ended.
  public func pipelinedReads(count: Int, byteCount: Int) throws -> UInt64 {
    let window = 64
    var batch = SendBatch(capacity: 1)
    batch.chain.read(id: 1, from: remote, into: landing(byteCount: byteCount), flags: .signaled)
    let began = Clock.now()
    for index in 0..<count {
      if index >= window { try finish() }
      try identifier.post(batch)
    }
    for _ in 0..<min(count, window) { try finish() }
    return Clock.now() - began
  }

  /// Both ends at once: a message goes to and fro by WRITEs, which the other end waits for in its memory, as
  /// in `ib_write_lat`. Nanoseconds of half a round trip, an entry a round trip; the same at both ends.
  ///
  /// - Parameters:
  ///   - begins: true at one end, false at the other.
  ///   - rounds: round trips since `preparePingPong`, the same at both ends: no two in a row have the same
  ///     mark.
  public func pingPong(
    byteCount: Int, count: Int, begins: Bool, after rounds: Int = 0
  ) throws -> [UInt64] {
    precondition(byteCount >= 1 && byteCount <= halfByteCount, "a message lies in the memory that is lent")
    var batch = SendBatch(capacity: 1)
    write(&batch.chain, byteCount)
    batch.chain.addToLast(.signaled)
    let last = bytes.baseAddress.unsafelyUnwrapped + byteCount - 1
    let outgoing = last + halfByteCount
    return try Clock.times(count: count) { round in
      let mark = UInt8((rounds + round) % 255 + 1)
      if !begins { try waitFor(mark, at: last) }
      outgoing.storeBytes(of: mark, as: UInt8.self)
      try identifier.post(batch)
      // The answer may come before the report of the message.
      if begins { try waitFor(mark, at: last) }
      try finish()
    }.map { $0 / 2 }
  }

  /// Clears what the peer's messages left, before a `pingPong`; both ends meet between the two.
  public func preparePingPong() {
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  private func waitFor(_ mark: UInt8, at place: UnsafeMutableRawPointer) throws {
    let deadline = Clock.now() + 10_000_000_000
    var looks = 0
    while floorLoad(place) != mark {
      looks += 1
      // Two nodes that spin on two processors keep a software device from its work.
      if looks & 0xFF == 0 {
        sched_yield()
        if Clock.now() > deadline {
          throw FloorFailure("no message came over \(deviceName) within 10 s.")
        }
      }
    }
  }
}

/// The device changes the memory. An `Atomic<UInt8>` has the layout of the byte.
private func floorLoad(_ place: UnsafeMutableRawPointer) -> UInt8 {
  place.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.load(ordering: .acquiring)
}
