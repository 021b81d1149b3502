import Fabric
import Platform

/// A position in each node's log: what somebody knows of it. Words of one thread at a time, or READ; the
/// words that order them come with them.
@frozen
public struct Clock<W: MemoryAccess>: BitwiseCopyable, Sendable {
  @usableFromInline let words: WordTable<W, NodeKind>

  @inlinable init(_ base: UnsafeMutableRawPointer) { words = WordTable(base) }

  @inlinable var base: UnsafeMutableRawPointer { words.words.base }

  @inlinable
  subscript(node: NodeID) -> UInt64 {
    get { words[node].loadRelaxed() }
    nonmutating set { words[node].storeRelaxed(newValue) }
  }

  /// Where the fabric leaves the entry of `node`.
  @inlinable func place(of node: NodeID) -> UnsafeMutableRawPointer { words.address(node) }
}
