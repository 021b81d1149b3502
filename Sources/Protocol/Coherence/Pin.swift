import Fabric
import Platform

// Pinned pages stay accessible and unprotected, for system calls and for other libraries' direct access,
// which do not take the signal. So their writes are found without stopping the writer: by
// comparing snapshots with the twin; and a notice brings the fresh bytes in under it.

extension Engine {
  /// Brings `range` in with `access` and keeps it so in `view` until `unpin`. Pins nest.
  @inlinable
  public func pin(_ range: PageRange, to access: Access, view: ViewID) throws(EngineError) {
    try checkPeers()
    var page = range.lowerBound
    while page < range.upperBound {
      let unit = pages.unit(containing: page)
      page = unit.pages.upperBound
      while !(try pinOnce(unit, access, view)) {}
    }
  }

  @inlinable
  func pinOnce(_ unit: Unit, _ access: Access, _ view: ViewID) throws(EngineError) -> Bool {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    try fault(page: unit.page, access: access, view: view)
    try enterGate()
    defer { leaveGate() }
    let old = pages.load(unit.page)
    let writable = old.state == .dirty || old.state == .homeDirty || old.state == .homeExclusive
    let readable = old.state == .clean || old.state == .homeTracked || writable
    guard !old.isLocked, access == .readWrite ? writable : readable else { return false }
    // An exclusive page that is pinned for writing becomes one of the dirty list. Not between a round's look
    // at that list and its look at exclusive pages: it would be in neither, and what was written before
    // the round without a notice.
    let leavesExclusive = access == .readWrite && old.state == .homeExclusive
    if leavesExclusive { try takeCommitLock() }
    defer { if leavesExclusive { dropCommitLock() } }
    guard let pinned = attempt(.pin, unit.page, from: old) else { return false }
    var held = HeldUnit(unit, pinned)
    let pins = pages.pinCount(unit.page)
    ensure((pins.loadRelaxed() != 0) == old.isPinned, .pinsCounted, unit.page)
    pins.storeRelaxed(pins.loadRelaxed() + 1)
    protection.setPinned(unit.pages, true)
    // Exclusive pages are looked at only when fetched; a pinned one is noticed at every release.
    if access == .readWrite && held.word.isHome {
      if held.word.state != .homeDirty { step(.becomeHomeDirty, &held) }
      pages.dirty.insert(unit.page)
    }
    protection.raise(unit.pages, to: access, in: view)
    giveBack(held)
    return true
  }

  /// Ends one pin of each page; after the last they are protected and tracked as usual.
  @inlinable
  public func unpin(_ range: PageRange) throws(EngineError) {
    var page = range.lowerBound
    while page < range.upperBound {
      let unit = pages.unit(containing: page)
      page = unit.pages.upperBound
      let saved = execution.enterCritical()
      defer { execution.leaveCritical(saved) }
      try enterGate()
      defer { leaveGate() }
      var held = try holdUnit(unit)
      let pins = pages.pinCount(unit.page)
      let count = pins.loadRelaxed()
      ensure((count != 0) == held.word.isPinned, .pinsCounted, unit.page)
      if count > 0 { pins.storeRelaxed(count - 1) }
      if count <= 1 {
        if held.word.isPinned { step(.unpin, &held) }
        protection.setPinned(unit.pages, false)
      }
      giveBack(held)
    }
  }

  /// At a release, lock bit held: the diff is taken from a snapshot, which becomes the twin.
  @inlinable
  func flushPinned(
    _ held: inout HeldUnit, _ log: inout LogWriter, _ sender: inout DiffSender<E.F>, _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensureRound(held.unit.page)
    ensureHeld(held)
    let unit = held.unit
    var changed = held.word.hasAtomics
    // It stays writable: again on the list, for the next release. Before the snapshot: a thread that writes
    // behind it and finds the list empty would take its release for done (`hasNothingToRelease`).
    if !isOn(.pinnedListedLate) { pages.dirty.insert(unit.page) }
    if held.word.state == .dirty {
      for index in 0..<unit.count {
        if try flushSnapshot(Unit(page: unit.page + index, count: 1), unit, held.word.home, &sender, w) {
          changed = true
        }
      }
    }
    if held.word.isHome {
      changed = true
      mark(unit.page).store(0)
      step(.notePinnedHome, &held)
    } else {
      step(.noteAtomics, &held)
    }
    if changed { note(unit, atHome: held.word.isHome, &log) }
    if isOn(.pinnedListedLate) { pages.dirty.insert(unit.page) }
  }

  @inlinable
  func flushSnapshot(
    _ piece: Unit, _ unit: Unit, _ home: NodeID, _ sender: inout DiffSender<E.F>, _ w: Workspace<E.W>
  ) throws(EngineError) -> Bool {
    // Most often there is nothing: what is written behind this look is of the next release.
    var runs = DiffRuns(
      frame: frame(piece.page), twin: UnsafeRawPointer(pages.twin(piece.page)),
      byteCount: configuration.pageByteCount)
    guard case .some = runs.run() else { return false }
    let snapshot = scratchPages
    E.W.copy(snapshot, frame(piece.page), configuration.pageByteCount)
    let sent = try sendDiff(
      piece, lane: lane(unit.page), home: home, from: UnsafeRawPointer(snapshot), &sender, w)
    if sent {
      // The snapshot is used again: its WRITEs complete first.
      submit(&sender, w)
      try wait(w.flight)
      let source = isOn(.hotTwinFromSecondLook) ? UnsafeMutableRawPointer(frame(piece.page)) : snapshot
      E.W.copy(pages.twin(piece.page), source, configuration.pageByteCount)
    }
    return sent
  }

  /// Under a notice, lock bit held: the fresh page is READ aside, and what others changed (what differs
  /// from the twin) is brought in; what this node changed stays.
  @inlinable
  func refreshPinned(_ held: inout HeldUnit, _ w: Workspace<E.W>) throws(EngineError) {
    ensureRound(held.unit.page)
    ensureHeld(held)
    let unit = held.unit
    if held.word.home < 0 {
      // The zeros of a page that has been claimed since.
      guard case .home(let home) = try locate(unit, claiming: false, w), home != node else { return }
      try ensureRegistered(configuration.chunk(of: unit.page))
      step(.learnHomeOfCopy, &held, told: home)
      store(&held)
    }
    try readAside(unit, home: held.word.home, merging: held.word.state == .dirty, w)
  }

  /// READs the unit piece by piece beside the frame; then copies it, or merges it under this node's
  /// writes. Under the commit lock, whose scratch pages it uses.
  @inlinable
  func readAside(
    _ unit: Unit, home: NodeID, merging: Bool, _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensure(isCommitLockHeld || isGateClosed, .commitLockHeld, unit.page)
    let fresh = scratchPages + configuration.pageByteCount
    for page in unit.pages {
      let from = try homeFrame(page, home: home, w)
      var batch = fabric.open(home, lane: lane(unit.page))
      if !isOn(.hotRefreshedWithoutMark) { writeMarks(&batch, unit.page, home: home, w) }
      fabric.read(&batch, from: from, into: fresh, byteCount: configuration.pageByteCount)
      try complete(batch, w)
      if merging {
        merge(UnsafeRawPointer(fresh), into: page)
      } else {
        E.W.copy(frame(page), fresh, configuration.pageByteCount)
      }
    }
  }

  @inlinable
  func merge(_ fresh: UnsafeRawPointer, into page: Page) {
    let twin = pages.twin(page)
    let old = isOn(.hotMergedWithFrame) ? frame(page) : twin
    var runs = DiffRuns(frame: fresh, twin: UnsafeRawPointer(old), byteCount: configuration.pageByteCount)
    while let run = runs.run() {
      // In a race-free program the bytes that others changed are none that this node has.
      E.W.copy(frame(page) + run.lowerBound, fresh + run.lowerBound, run.count)
      if isOn(.hotTwinNotUpdated) { continue }
      E.W.copy(twin + run.lowerBound, fresh + run.lowerBound, run.count)
    }
  }
}
