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
  public func fault(page: Int, access: Access, view: ViewID) throws(EngineError) {
    try enterGate()
    let w = takeWorkspace()
    defer {
      giveBack(w)
      leaveGate()
    }
    add(access == .readWrite ? .writeFaults : .readFaults)
    try serve(pages.unit(containing: page), access, view, w)
  }

  @inlinable
  func serve(_ unit: Unit, _ access: Access, _ view: ViewID, _ w: Workspace) throws(EngineError) {
    let cell = pages.cell(unit.page)
    var backoff = Backoff()
    while true {
      var word = cell.load()
      if word.isLocked || word.state == .fetching {
        try checkPeers()
        execution.pause(&backoff)
        continue
      }
      if word.state == .invalid {
        var fetching = word
        fetching.state = .fetching
        guard cell.exchange(word, for: fetching) else { continue }
        execution.interleave(#line)
        // After the state, so that "invalidate all" sees one of the two (PageSet.insertIfAbsent).
        pages.cached.insertIfAbsent(unit.page)
        touch(unit.page)
        let ahead =
          access == .read && !word.wasWritten
          ? readAhead(unit) : unit.pages.upperBound..<unit.pages.upperBound
        try bringIn(unit, access, ahead: ahead, view, w)
        return
      }
      var locked = word
      locked.isLocked = true
      guard cell.exchange(word, for: locked) else { continue }
      execution.interleave(#line)
      word = locked
      // Not `unlocking`: in a debug build its body is called through a pointer, which nobody can look behind.
      do throws(EngineError) {
        try upgrade(unit, &word, access, view, w)
      } catch {
        unlock(unit)
        throw error
      }
      releaseLockBit(unit, word)
      return
    }
  }

  /// A copy is here and its lock bit held: makes its state allow `access` and raises the view.
  @inlinable
  func upgrade(
    _ unit: Unit, _ word: inout PageWord, _ access: Access, _ view: ViewID, _ w: Workspace
  ) throws(EngineError) {
    switch word.state {
    case .dirty, .homeDirty, .homeExclusive:
      protection.raise(unit.pages, to: .readWrite, in: view)
    case .homeTracked where access == .readWrite:
      writeAtHome(unit, &word)
      protection.raise(unit.pages, to: .readWrite, in: view)
    case .clean where access == .readWrite:
      try writeClean(unit, &word, view, w)
      protection.raise(unit.pages, to: .readWrite, in: view)
    default:
      protection.raise(unit.pages, to: .read, in: view)
    }
  }
}
