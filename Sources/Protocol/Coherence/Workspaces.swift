import Fabric
import Platform

// A thread that works on pages, or talks to another node, has a workspace: registered memory for what it
// sends and gets.

extension Engine {
  /// Takes a free workspace; waits for one where all are in use. Holders only wait for the fabric
  /// and for commit and page locks, whose holders have a workspace already, so the wait ends.
  @inlinable
  func takeWorkspace() -> Workspace<E.W> {
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
  func giveBack(_ workspace: Workspace<E.W>) {
    // Where a wait was given up the fabric may be about it still; whoever takes it next gives up, too.
    ensure(workspace.flight.pending.load() == 0 || isOver, .workspaceAtRest, workspace.index)
    // Release, by the full barrier: pairs with the acquire of the next taker's load.
    let before = local.workspaceUse.fetchAnd(~(1 << UInt64(workspace.index)))
    ensure(before & 1 << UInt64(workspace.index) != 0, .workspaceTaken, workspace.index)
  }
}
