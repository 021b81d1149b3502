import Coherence

/// What an atomic orders beside its own word.
public enum AtomicOrdering: Sendable {
  /// Nothing.
  case relaxed
  /// An acquire fence after.
  case acquire
  /// A release fence before.
  case release
  /// Both.
  case acquireRelease

  var releases: Bool { self == .release || self == .acquireRelease }
  var acquires: Bool { self == .acquire || self == .acquireRelease }
}

/// An integer that Merino's atomics work on: 32 or 64 bits.
public protocol SharedAtomicValue: FixedWidthInteger, BitwiseCopyable, Sendable {}
extension UInt32: SharedAtomicValue {}
extension Int32: SharedAtomicValue {}
extension UInt64: SharedAtomicValue {}
extension Int64: SharedAtomicValue {}
extension UInt: SharedAtomicValue {}
extension Int: SharedAtomicValue {}

/// Atomics on words of shared memory. They act at the word's home, on the enclosing aligned 8 bytes:
/// between two synchronisations nothing but atomics may change any of these 8 bytes, and plain loads may see
/// an old value.
///
/// All throw `.invalidArgument` for an address that is not aligned, `.badAddress` outside shared memory,
/// `.accessDenied` through a read-only view, `.notJoined`, `.peerLost`.
extension Cluster {
  /// Reads the word.
  public func atomicLoad<T: SharedAtomicValue>(
    _ address: UnsafePointer<T>, _ ordering: AtomicOrdering = .relaxed
  ) throws(MerinoError) -> T {
    T(truncatingIfNeeded: try atomic(.load, UInt(bitPattern: address), T.self, ordering, writing: false))
  }

  /// Sets the word.
  public func atomicStore<T: SharedAtomicValue>(
    _ address: UnsafeMutablePointer<T>, _ value: T, _ ordering: AtomicOrdering = .relaxed
  ) throws(MerinoError) {
    _ = try atomicExchange(address, value, ordering)
  }

  /// Sets the word; returns the value before.
  public func atomicExchange<T: SharedAtomicValue>(
    _ address: UnsafeMutablePointer<T>, _ value: T, _ ordering: AtomicOrdering = .relaxed
  ) throws(MerinoError) -> T {
    T(
      truncatingIfNeeded: try atomic(
        .exchange(UInt64(truncatingIfNeeded: value)), UInt(bitPattern: address), T.self, ordering))
  }

  /// Sets the word to `desired` if it is `expected`; returns the value before. Never fails spuriously.
  public func atomicCompareExchange<T: SharedAtomicValue>(
    _ address: UnsafeMutablePointer<T>, expected: T, desired: T, _ ordering: AtomicOrdering = .relaxed
  ) throws(MerinoError) -> T {
    let operation = AtomicOperation.compareExchange(
      expected: UInt64(truncatingIfNeeded: expected), desired: UInt64(truncatingIfNeeded: desired))
    return T(
      truncatingIfNeeded: try atomic(operation, UInt(bitPattern: address), T.self, ordering))
  }

  /// Adds to the word, wrapping; returns the value before.
  public func atomicFetchAdd<T: SharedAtomicValue>(
    _ address: UnsafeMutablePointer<T>, _ addend: T, _ ordering: AtomicOrdering = .relaxed
  ) throws(MerinoError) -> T {
    T(
      truncatingIfNeeded: try atomic(
        .fetchAdd(UInt64(truncatingIfNeeded: addend)), UInt(bitPattern: address), T.self, ordering))
  }

  private func atomic<T: SharedAtomicValue>(
    _ operation: AtomicOperation, _ address: UInt, _: T.Type, _ ordering: AtomicOrdering,
    writing: Bool = true
  ) throws(MerinoError) -> UInt64 {
    let bytes = MemoryLayout<T>.size
    guard address % UInt(bytes) == 0 else {
      throw MerinoError(
        .invalidArgument,
        "0x\(String(address, radix: 16)) is not aligned to the \(bytes) bytes of the atomic's word.")
    }
    let runtime = try runtime
    let place = try runtime.translate(address, byteCount: bytes, writing: writing)
    let inWord = place.globalOffset & 7
    // Little-endian: byte i of the word is bits 8i...8i+7.
    let mask: UInt64 = bytes == 8 ? ~0 : 0xFFFF_FFFF << UInt64(inWord * 8)
    let engine = runtime.engine
    return try attempting("perform an atomic on shared memory") { () throws(EngineError) in
      if ordering.releases { try engine.release() }
      let before = try engine.atomic(operation, at: place.globalOffset & ~7, mask: mask)
      if ordering.acquires { try engine.acquireAll() }
      return before
    }
  }

  /// Acquire without a lock: every release on any node that completed before this call began happens
  /// before what follows it. Costs a round trip to each node.
  ///
  /// - Throws: `.notJoined`, `.peerLost`.
  public func acquireFence() throws(MerinoError) {
    let engine = try runtime.engine
    try attempting("acquire") { () throws(EngineError) in try engine.acquireAll() }
  }

  /// Release without a lock: what this node wrote before is in place when it returns, for every acquire
  /// that is ordered after it.
  ///
  /// - Throws: `.notJoined`, `.peerLost`.
  public func releaseFence() throws(MerinoError) {
    let engine = try runtime.engine
    try attempting("release") { () throws(EngineError) in try engine.release() }
  }
}
