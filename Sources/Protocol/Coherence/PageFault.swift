import Fabric
import Platform

// The entry of the fault path. What follows runs in the signal handler: no allocation, no lock that
// application code could hold.

extension Engine {
  /// Serves an access to `page` through `view`: on return the page's state and the view's protection
  /// allow `access` (until somebody takes them away again; then the access faults again).
  ///
  /// Signals are blocked by the caller. Any number of threads may fault at once, on one page too.
  @inlinable
  public func fault(page: Page, access: Access, view: ViewID) throws(EngineError) {
    try enterGate()
    let w = takeWorkspace()
    defer {
      giveBack(w)
      leaveGate()
    }
    add(access == .readWrite ? .writeFaults : .readFaults)
    // Alone, a page that is read first is this node's as well: the write to come is no second fault.
    try serve(pages.unit(containing: page), isAlone ? .readWrite : access, view, w)
  }

  @inlinable
  func serve(_ unit: Unit, _ access: Access, _ view: ViewID, _ w: Workspace<E.W>) throws(EngineError) {
    ensure(isInsideGate, .insideGate, unit.page)
    while true {
      switch try takeLockBit(unit, passing: PageStates(.invalid)) {
      case .passed(let word):
        guard case .some = attempt(.beginFetch, unit.page, from: word) else { continue }
        execution.interleave(#line)
        // After the state, so that "invalidate all" sees one of the two (PageSet.insertIfAbsent).
        pages.cached.insertIfAbsent(unit.page)
        touch(unit.page)
        let forWriting = access == .readWrite || word.wasWritten
        let ahead = forWriting ? fetchAhead(unit, word) : readAhead(unit)
        try bringIn(unit, access, forWriting: forWriting, ahead: ahead, view, w)
        return
      case .held(var held):
        // Not `unlocking`: in a debug build its closure would be an indirect call on the fault path.
        do throws(EngineError) {
          try upgrade(&held, access, view, w)
        } catch {
          unlock(unit)
          throw error
        }
        giveBack(held)
        return
      case .busy: break
      }
    }
  }

  /// A copy is here and its lock bit held: makes its state allow `access` and raises the view.
  @inlinable
  func upgrade(
    _ held: inout HeldUnit, _ access: Access, _ view: ViewID, _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensureHeld(held)
    let unit = held.unit
    switch held.word.state {
    case .dirty, .homeDirty, .homeExclusive:
      protection.raise(unit.pages, to: .readWrite, in: view)
    case .homeTracked where access == .readWrite:
      writeAtHome(&held)
      protection.raise(unit.pages, to: .readWrite, in: view)
      makeWritable(writeAhead(unit), behind: unit, was: .homeTracked, view)
    case .clean where access == .readWrite:
      let isFirst = held.word.home < 0
      try writeClean(&held, view, w)
      protection.raise(unit.pages, to: .readWrite, in: view)
      if !isFirst { makeWritable(writeAhead(unit), behind: unit, was: .clean, view) }
    default:
      protection.raise(unit.pages, to: .read, in: view)
    }
  }
}
