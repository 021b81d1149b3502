import CPlatform
import Platform

/// How the protocol reads and writes the memory that its threads and nodes share: here and nowhere else. In
/// production these are the bare instructions (`BareMemory`); a simulator can put a store buffer between each
/// thread and the memory.
public protocol MemoryAccess: Sendable {
  /// Acquire: what was stored before the value's release is seen.
  static func load(_ word: AtomicWord) -> UInt64
  static func loadRelaxed(_ word: AtomicWord) -> UInt64
  /// Release: pairs with `load`.
  static func store(_ word: AtomicWord, _ value: UInt64)
  static func storeRelaxed(_ word: AtomicWord, _ value: UInt64)
  // Full barriers on both sides, all of them.
  static func exchange(_ word: AtomicWord, _ value: UInt64) -> UInt64
  static func compareExchange(_ word: AtomicWord, _ expected: UInt64, _ desired: UInt64) -> Bool
  static func fetchAdd(_ word: AtomicWord, _ value: UInt64) -> UInt64
  static func fetchOr(_ word: AtomicWord, _ bits: UInt64) -> UInt64
  static func fetchAnd(_ word: AtomicWord, _ bits: UInt64) -> UInt64

  static func load(_ byte: AtomicByte) -> UInt8
  static func store(_ byte: AtomicByte, _ value: UInt8)
  static func exchange(_ byte: AtomicByte, _ value: UInt8) -> UInt8

  /// Against every reordering, stores before later loads included.
  static func fence()
  static func copy(_ destination: UnsafeMutableRawPointer, _ source: UnsafeRawPointer, _ byteCount: Int)
  static func zero(_ memory: UnsafeMutableRawPointer, _ byteCount: Int)
}

/// Instructions, and nothing else.
public enum BareMemory: MemoryAccess {
  @inlinable @inline(__always)
  public static func load(_ word: AtomicWord) -> UInt64 { word.load() }
  @inlinable @inline(__always)
  public static func loadRelaxed(_ word: AtomicWord) -> UInt64 { word.loadRelaxed() }
  @inlinable @inline(__always)
  public static func store(_ word: AtomicWord, _ value: UInt64) { word.store(value) }
  @inlinable @inline(__always)
  public static func storeRelaxed(_ word: AtomicWord, _ value: UInt64) { word.storeRelaxed(value) }
  @inlinable @inline(__always)
  public static func exchange(_ word: AtomicWord, _ value: UInt64) -> UInt64 { word.exchange(value) }
  @inlinable @inline(__always)
  public static func compareExchange(_ word: AtomicWord, _ expected: UInt64, _ desired: UInt64) -> Bool {
    word.compareExchange(expected, desired)
  }
  @inlinable @inline(__always)
  public static func fetchAdd(_ word: AtomicWord, _ value: UInt64) -> UInt64 { word.fetchAdd(value) }
  @inlinable @inline(__always)
  public static func fetchOr(_ word: AtomicWord, _ bits: UInt64) -> UInt64 { word.fetchOr(bits) }
  @inlinable @inline(__always)
  public static func fetchAnd(_ word: AtomicWord, _ bits: UInt64) -> UInt64 { word.fetchAnd(bits) }

  @inlinable @inline(__always)
  public static func load(_ byte: AtomicByte) -> UInt8 { byte.load() }
  @inlinable @inline(__always)
  public static func store(_ byte: AtomicByte, _ value: UInt8) { byte.store(value) }
  @inlinable @inline(__always)
  public static func exchange(_ byte: AtomicByte, _ value: UInt8) -> UInt8 { byte.exchange(value) }

  @inlinable @inline(__always)
  public static func fence() { fullFence() }
  @inlinable @inline(__always)
  public static func copy(
    _ destination: UnsafeMutableRawPointer, _ source: UnsafeRawPointer, _ byteCount: Int
  ) {
    cplatform_copy(destination, source, byteCount)
  }
  @inlinable @inline(__always)
  public static func zero(_ memory: UnsafeMutableRawPointer, _ byteCount: Int) {
    cplatform_zero(memory, byteCount)
  }
}
