import Fabric
import Platform

/// Who noticed a unit, and in which epoch: 48 bits of epoch, 16 bits of node + 1. An epoch is a barrier, so
/// the field lasts for nine years of a barrier each microsecond.
@frozen
@usableFromInline
struct Noticer: BitwiseCopyable, Equatable {
  @usableFromInline let raw: UInt64

  @inlinable init(raw: UInt64) { self.raw = raw }

  /// `node`: one that noticed, or `several`.
  @inlinable
  init(epoch: UInt64, node: NodeID) {
    precondition(epoch >> 48 == 0, "the epoch does not fit into 48 bits")
    precondition(node >= 0 && node <= Self.several, "a node's number has 16 bits, and the last is taken")
    raw = epoch << 16 | UInt64(node.number + 1)
  }

  @inlinable var epoch: UInt64 { raw >> 16 }
  @inlinable var node: NodeID { NodeID(Int(raw & 0xFFFF) - 1) }

  /// More than one node.
  @inlinable static var several: NodeID { 0xFFFE }
}

/// A unit that may move: its first page (36 bits) and its pages (28 bits).
@frozen
@usableFromInline
struct PlannedMove: BitwiseCopyable, Equatable {
  @usableFromInline let raw: UInt64

  @inlinable init(raw: UInt64) { self.raw = raw }

  @inlinable
  init(page: Page, unitPages: Int) {
    precondition(page >= 0 && page.number >> 36 == 0, "a page's number does not fit into 36 bits")
    precondition(unitPages > 0 && unitPages >> 28 == 0, "the pages of a unit do not fit into 28 bits")
    raw = UInt64(page.number) << 28 | UInt64(unitPages)
  }

  @inlinable var page: Page { Page(Int(raw >> 28)) }
  @inlinable var unitPages: Int { Int(raw & 0xFFF_FFFF) }
}
