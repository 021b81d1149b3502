import Fabric
import Platform

/// Registered scratch memory of one thread inside the engine: where READs and atomics leave their
/// results, and what WRITEs are taken from. In control memory, so that the device reaches it.
@frozen
public struct Workspace: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let index: Int
  @usableFromInline let clockByteCount: Int

  @inlinable
  init(_ base: UnsafeMutableRawPointer, index: Int, clockByteCount: Int) {
    self.base = base
    self.index = index
    self.clockByteCount = clockByteCount
  }

  @inlinable var flight: Flight { Flight(base) }
  /// A word that is 1, the source of marks and flags.
  @inlinable var one: UnsafeMutableRawPointer { base + 32 }
  /// A word to send.
  @inlinable var outgoing: UnsafeMutableRawPointer { base + 40 }
  @inlinable func result(_ i: Int) -> UnsafeMutableRawPointer { base + 64 + i &* 8 }
  @inlinable func resultValue(_ i: Int) -> UInt64 { result(i).load(as: UInt64.self) }
  @inlinable
  var clock: UnsafeMutableRawPointer { base + 64 + ControlLayout.workspaceResultCount &* 8 }
  /// A lock record's header (64 bytes) and clock as READ.
  @inlinable var record: UnsafeMutableRawPointer { clock + clockByteCount }
}

extension Engine {
  @inlinable
  func workspace(_ index: Int) -> Workspace {
    Workspace(
      control + layout.workspaces + index &* layout.workspaceByteCount, index: index,
      clockByteCount: configuration.clockByteCount)
  }

  /// Takes a free workspace; waits for one where all are in use. Holders only wait for the fabric
  /// and for commit and page locks, whose holders have a workspace already, so the wait ends.
  @inlinable
  func takeWorkspace() -> Workspace {
    var backoff = Backoff()
    while true {
      let used = local.workspaceUse.load()
      let free = (~used).trailingZeroBitCount
      if free < min(configuration.workspaceCount, 64) {
        if local.workspaceUse.compareExchange(used, used | 1 << UInt64(free)) { return workspace(free) }
      } else {
        execution.pause(&backoff)
      }
    }
  }

  @inlinable
  func giveBack(_ workspace: Workspace) {
    // Where a wait was given up the fabric may be about it still; whoever takes it next gives up, too.
    ensure(workspace.flight.pending.load() == 0 || isOver, .workspaceAtRest, workspace.index)
    // Release, by the full barrier: pairs with the acquire of the next taker's load.
    let before = local.workspaceUse.fetchAnd(~(1 << UInt64(workspace.index)))
    ensure(before & 1 << UInt64(workspace.index) != 0, .workspaceTaken, workspace.index)
  }
}
