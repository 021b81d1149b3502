import Platform

/// Operations in flight that one thread waits for together. It lies in memory that outlives them
/// (a workspace), is counted up when a batch is submitted and down by whoever sees the completion.
@frozen
public struct Flight: BitwiseCopyable, @unchecked Sendable {
  /// Word 0: operations pending. Word 1: first failure, a `FailureWord`; 0 for none.
  public let base: UnsafeMutableRawPointer
  @inlinable public static var byteCount: Int { 16 }

  @inlinable public init(_ base: UnsafeMutableRawPointer) { self.base = base }
  @inlinable public var pending: AtomicWord { AtomicWord(base) }
  @inlinable var failure: AtomicWord { AtomicWord(base + 8) }

  /// An operation at `peer` failed. The first failure stays; the waiter takes it out.
  @inlinable
  public func fail(_ status: Int32, peer: NodeID) {
    _ = failure.compareExchange(0, FailureWord(.completionError, peer: peer, status: status).raw)
  }

  /// The first failure, which is forgotten here; `nil` where there was none. By the waiter, once nothing is
  /// pending.
  @inlinable
  public func takeFailure() -> FabricFailure? {
    let word = failure.load()
    if word == 0 { return nil }
    failure.store(0)
    return FailureWord(raw: word).failure
  }
}

/// A failure in one word, so that the first of several can be kept by a compare-and-swap; never 0.
///
/// ```
/// bits 0-15  peer + 1
/// bits 16-47 status
/// bits 48-55 reason + 1
/// ```
///
/// What a word of a peer says (`FabricFailure.value`) has no room here.
@frozen
public struct FailureWord: BitwiseCopyable, Sendable, Equatable {
  public let raw: UInt64

  /// A word that was made by the other initialiser.
  @inlinable public init(raw: UInt64) { self.raw = raw }

  @inlinable
  public init(_ reason: FabricFailure.Reason, peer: NodeID, status: Int32) {
    precondition(peer >= -1 && peer < 0xFFFF, "a peer's number does not fit into 16 bits")
    let reasonBits = (UInt64(reason.rawValue) + 1) << 48
    raw =
      reasonBits | (UInt64(UInt32(bitPattern: status)) << 16) | UInt64(truncatingIfNeeded: peer.number &+ 1)
  }

  @inlinable
  public var failure: FabricFailure {
    let reason = FabricFailure.Reason(rawValue: UInt8(truncatingIfNeeded: (raw >> 48) &- 1))
    // A reason is there: see `init`.
    return FabricFailure(
      reason: reason ?? .completionError, peer: Int32(truncatingIfNeeded: raw & 0xFFFF) &- 1,
      status: Int32(truncatingIfNeeded: raw >> 16))
  }
}
