import Fabric
import Platform

extension Engine {
  /// Applies one write notice: no copy of these pages survives here that misses the write. Under the
  /// commit lock. Pages homed here keep their frame; it has the diff already.
  @inlinable
  func invalidate(
    _ range: Range<Int>, _ log: inout LogWriter, _ w: Workspace
  ) throws(EngineError) {
    var run = range.lowerBound..<range.lowerBound
    var unitPages = 1
    var page = range.lowerBound
    while page < range.upperBound {
      let unit = pages.unit(containing: page)
      page = unit.pages.upperBound
      let isTaken: Bool
      do throws(EngineError) {
        isTaken = try lockForInvalidation(unit)
      } catch {
        dropRun(run, unitPages: unitPages)
        throw error
      }
      if !isTaken { continue }
      let word = pages.load(unit.page)
      if word.state == .clean && !word.isPinned {
        if unit.page != run.upperBound || unit.count != unitPages {
          dropRun(run, unitPages: unitPages)
          run = unit.page..<unit.page
          unitPages = unit.count
        }
        run = run.lowerBound..<unit.pages.upperBound
      } else {
        dropRun(run, unitPages: unitPages)
        run = page..<page
        try unlocking(unit) { () throws(EngineError) in try invalidateWritten(unit, word, &log, w) }
      }
    }
    dropRun(run, unitPages: unitPages)
  }

  /// Clean copies, lock bits held: gone, and unlocked.
  @inlinable
  func dropRun(_ range: Range<Int>, unitPages: Int) {
    if range.isEmpty { return }
    protection.lower(range, to: .none)
    execution.interleave(#line)
    for page in stride(from: range.lowerBound, to: range.upperBound, by: unitPages) {
      let locked = pages.load(page)
      var word = locked
      word.state = .invalid
      pages.cell(page).release(locked, as: word)
    }
    add(.invalidations, range.count / unitPages)
  }

  /// Takes the lock bit of a unit that has a copy here. A copy that is being fetched is poisoned
  /// instead: its fetcher starts over.
  @inlinable
  func lockForInvalidation(_ unit: Unit) throws(EngineError) -> Bool {
    let cell = pages.cell(unit.page)
    var backoff = Backoff()
    while true {
      let word = cell.load()
      if !word.isLocked {
        if word.state == .invalid || word.isHome { return false }
        var changed = word
        if word.state == .fetching {
          changed.isPoisoned = true
          if cell.exchange(word, for: changed) { return false }
        } else {
          changed.isLocked = true
          if cell.exchange(word, for: changed) {
            execution.interleave(#line)
            return true
          }
        }
        continue
      }
      try checkPeers()
      execution.pause(&backoff)
    }
  }

  /// A dirty or pinned copy under a notice. Dirty: under one hold of the bit no access, diff placed,
  /// invalid; whoever fetches next sees both writes.
  @inlinable
  func invalidateWritten(
    _ unit: Unit, _ before: PageWord, _ log: inout LogWriter, _ w: Workspace
  ) throws(EngineError) {
    if before.isPinned {
      try refreshPinned(unit, w)
      unlock(unit)
      return
    }
    if isOn(.keepDirtyOnNotice) {
      unlock(unit)
      return
    }
    protection.lower(unit.pages, to: .none)
    execution.interleave(#line)
    var sender = DiffSender<E.F>()
    try flushLocked(unit, &log, &sender, w)
    try closeHomes(&sender, w)
    let locked = pages.load(unit.page)
    var word = locked
    word.state = .invalid
    pages.cell(unit.page).release(locked, as: word)
    add(.invalidations)
  }

  /// The fallback when notices are lost: every copy that is not homed here. Invalidating too much is
  /// always correct.
  @inlinable
  func invalidateAll(_ log: inout LogWriter, _ w: Workspace) throws(EngineError) {
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
