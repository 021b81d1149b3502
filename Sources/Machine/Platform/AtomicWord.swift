import Synchronization

/// A 64-bit word in raw memory (a private mapping, or memory that other nodes reach through the
/// fabric), changed by CPU atomics. Trivially copyable: copying it copies the address.
///
/// The caller keeps the memory mapped and 8-byte aligned for as long as the word is used; that is
/// what makes `assumingMemoryBound` safe, `Atomic<UInt64>` having the layout of `UInt64`.
@frozen
public struct AtomicWord: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let pointer: UnsafeMutablePointer<Atomic<UInt64>>

  @inlinable
  public init(_ address: UnsafeMutableRawPointer) {
    pointer = address.assumingMemoryBound(to: Atomic<UInt64>.self)
  }

  @inlinable public func loadRelaxed() -> UInt64 { pointer.pointee.load(ordering: .relaxed) }
  @inlinable public func load() -> UInt64 { pointer.pointee.load(ordering: .acquiring) }
  @inlinable public func store(_ value: UInt64) { pointer.pointee.store(value, ordering: .releasing) }
  @inlinable public func storeRelaxed(_ value: UInt64) {
    pointer.pointee.store(value, ordering: .relaxed)
  }

  /// A full barrier on both sides.
  @inlinable
  public func exchange(_ value: UInt64) -> UInt64 {
    pointer.pointee.exchange(value, ordering: .sequentiallyConsistent)
  }

  /// True when the word was `expected` and is now `desired`.
  @inlinable
  public func compareExchange(_ expected: UInt64, _ desired: UInt64) -> Bool {
    pointer.pointee.compareExchange(
      expected: expected, desired: desired, successOrdering: .sequentiallyConsistent,
      failureOrdering: .acquiring
    ).exchanged
  }

  /// The value before.
  @inlinable
  public func compareExchangeOld(_ expected: UInt64, _ desired: UInt64) -> UInt64 {
    pointer.pointee.compareExchange(
      expected: expected, desired: desired, successOrdering: .sequentiallyConsistent,
      failureOrdering: .acquiring
    ).original
  }

  /// The value before.
  @inlinable @discardableResult
  public func fetchAdd(_ value: UInt64) -> UInt64 {
    pointer.pointee.wrappingAdd(value, ordering: .sequentiallyConsistent).oldValue
  }

  /// The value before.
  @inlinable @discardableResult
  public func fetchOr(_ bits: UInt64) -> UInt64 {
    pointer.pointee.bitwiseOr(bits, ordering: .sequentiallyConsistent).oldValue
  }

  /// The value before.
  @inlinable @discardableResult
  public func fetchAnd(_ bits: UInt64) -> UInt64 {
    pointer.pointee.bitwiseAnd(bits, ordering: .sequentiallyConsistent).oldValue
  }
}

/// One byte in raw memory, changed by CPU atomics.
@frozen
public struct AtomicByte: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let pointer: UnsafeMutablePointer<Atomic<UInt8>>

  @inlinable
  public init(_ address: UnsafeMutableRawPointer) {
    pointer = address.assumingMemoryBound(to: Atomic<UInt8>.self)
  }

  @inlinable public func load() -> UInt8 { pointer.pointee.load(ordering: .acquiring) }
  @inlinable public func store(_ value: UInt8) { pointer.pointee.store(value, ordering: .releasing) }

  /// A full barrier on both sides.
  @inlinable
  public func exchange(_ value: UInt8) -> UInt8 {
    pointer.pointee.exchange(value, ordering: .sequentiallyConsistent)
  }
}

/// A fence against every reordering, stores before later loads included.
@inlinable
public func fullFence() { atomicMemoryFence(ordering: .sequentiallyConsistent) }
