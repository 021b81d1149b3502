import Fabric
import Platform

/// How a workspace is laid out.
enum WorkspaceShape {
  static func byteCount(nodeCount: Int) -> Int {
    wholeLines(64 + Workspace<BareMemory>.resultCount * 8 + nodeCount * 8)
  }
}

/// Registered scratch memory of one thread inside the engine: where READs and atomics leave their
/// results, and what WRITEs are taken from. In control memory, so that the device reaches it.
@frozen
public struct Workspace<W: MemoryAccess>: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let index: Int

  @inlinable
  init(_ base: UnsafeMutableRawPointer, index: Int) {
    self.base = base
    self.index = index
  }

  /// Words for results; pieces of what is READ whole begin at `bulkIndex`.
  @inlinable static var resultCount: Int { 80 }
  @inlinable static var bulkIndex: Int { 8 }
  @inlinable static var bulkByteCount: Int { (resultCount - bulkIndex) * 8 }

  @inlinable var flight: Flight { Flight(base) }
  /// A word that is 1, the source of marks and flags.
  @inlinable var one: SharedWord<W> { SharedWord(base + 32) }
  /// A word to send.
  @inlinable var outgoing: SharedWord<W> { SharedWord(base + 40) }
  /// Where the fabric leaves a result.
  @inlinable func result(_ i: Int) -> UnsafeMutableRawPointer { word(i).address }
  @inlinable func word(_ i: Int) -> SharedWord<W> { SharedWord(base + 64 + i &* 8) }
  /// After the wait for the flight, whose count's load is an acquire.
  @inlinable func resultValue(_ i: Int) -> UInt64 { word(i).loadRelaxed() }
  @inlinable var clock: Clock<W> { Clock(base + 64 + Self.resultCount &* 8) }
}
