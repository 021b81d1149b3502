import Fabric
import Platform

extension Engine {
  /// Applies one write notice: no copy of these pages survives here that misses the write. Under the
  /// commit lock. Pages homed here keep their frame; it has the diff already.
  @inlinable
  func invalidate(
    _ range: PageRange, _ log: inout LogWriter, _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensure(isCommitLockHeld, .commitLockHeld, range.lowerBound)
    ensure(isInsideGate, .insideGate, range.lowerBound)
    var run = range.lowerBound..<range.lowerBound
    var unitPages = 1
    var page = range.lowerBound
    while page < range.upperBound {
      let unit = pages.unit(containing: page)
      page = unit.pages.upperBound
      let taken: HeldUnit?
      do throws(EngineError) {
        taken = try holdForInvalidation(unit)
      } catch {
        dropRun(run, unitPages: unitPages)
        throw error
      }
      guard var held = taken else { continue }
      if held.word.state == .clean && !held.word.isPinned {
        if unit.page != run.upperBound || unit.count != unitPages {
          dropRun(run, unitPages: unitPages)
          run = unit.page..<unit.page
          unitPages = unit.count
        }
        run = run.lowerBound..<unit.pages.upperBound
      } else {
        dropRun(run, unitPages: unitPages)
        run = page..<page
        try unlocking(unit) { () throws(EngineError) in try invalidateWritten(&held, &log, w) }
        giveBack(held)
      }
    }
    dropRun(run, unitPages: unitPages)
  }

  /// Clean copies, lock bits held: gone, and unlocked.
  @inlinable
  func dropRun(_ range: PageRange, unitPages: Int) {
    if range.isEmpty { return }
    ensureRound(range.lowerBound)
    ensureSpace(range)
    protection.lower(range, to: .none)
    execution.interleave(#line)
    for page in range.by(unitPages) {
      var held = heldAlready(Unit(page: page, count: unitPages))
      step(.invalidate, &held)
      giveBack(held)
    }
    add(.invalidations, range.count / unitPages)
  }

  /// Takes the lock bit of a unit that has a copy here; nil where there is none. A copy that is being fetched
  /// is poisoned instead: its fetcher starts over.
  @inlinable
  func holdForInvalidation(_ unit: Unit) throws(EngineError) -> HeldUnit? {
    while true {
      switch try takeLockBit(unit, passing: .invalid | .fetching | .atHome) {
      case .held(let held): return held
      case .passed(let word):
        guard word.state == .fetching, !isOn(.noPoison) else { return nil }
        if case .some = attempt(.poison, unit.page, from: word) { return nil }
      case .busy: break
      }
    }
  }

  /// A dirty or pinned copy under a notice. Dirty: under one hold of the bit no access, diff placed,
  /// invalid; whoever fetches next sees both writes.
  @inlinable
  func invalidateWritten(
    _ held: inout HeldUnit, _ log: inout LogWriter, _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensureRound(held.unit.page)
    ensureHeld(held)
    if held.word.isPinned || isHot(held.word, held.unit) {
      return isOn(.hotNotRefreshed) && !held.word.isPinned ? () : try refreshPinned(&held, w)
    }
    if isOn(.keepDirtyOnNotice) { return }
    protection.lower(held.unit.pages, to: .none)
    execution.interleave(#line)
    var sender = DiffSender<E.F>()
    try flushLocked(&held, &log, &sender, w)
    try closeHomes(&sender, w)
    step(.invalidate, &held)
    add(.invalidations)
  }

  /// The fallback when notices are lost: every copy that is not homed here. Invalidating too much is
  /// always correct.
  @inlinable
  func invalidateAll(_ log: inout LogWriter, _ w: Workspace<E.W>) throws(EngineError) {
    add(.logOverflows)
    if isOn(.overflowNoticeLost) { return }
    var taker = pages.cached.take()
    while let page = taker.next() {
      let unit = pages.unit(containing: page)
      try invalidate(unit.pages, &log, w)
      // Still there (being fetched, or pinned): a member for the next time.
      let state = pages.load(unit.page).state
      if state != .invalid && state.rawValue < PageState.homeTracked.rawValue {
        pages.cached.insert(unit.page)
      }
    }
  }
}
