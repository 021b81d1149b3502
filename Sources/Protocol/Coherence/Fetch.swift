import Fabric
import Platform

extension Engine {
  /// Brings a copy in, or makes this node home. The state is `fetching` and this thread set it; on
  /// return it is something else and the view is raised. `forWriting`: a copy from elsewhere comes with its
  /// twin, and writable. Units of `ahead` come along where that
  /// costs no further round trip.
  @inlinable
  func bringIn(
    _ unit: Unit, _ access: Access, forWriting: Bool, ahead: PageRange, _ view: ViewID, _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensure(isInsideGate, .insideGate, unit.page)
    do throws(EngineError) {
      let hint = pages.load(unit.page)
      var located = Located.home(hint.home)
      if hint.home < 0 {
        if access == .readWrite {
          located = try claim(unit, with: claimRun(around: unit), view, w)
        } else {
          located = ahead.isEmpty ? try locate(unit, claiming: false, w) : try locateBlock(unit, ahead, w)
        }
      }
      switch located {
      case .home(let home) where home != node:
        if ahead.isEmpty {
          try fetch(unit, home, forWriting: forWriting, view, w)
        } else {
          try fetchWindow(unit, home, ahead, forWriting: forWriting, view, w)
        }
      case .unclaimed: mapZeros(unit, view)
      default: settleAtHome(unit, access, view)
      }
    } catch {
      if pages.load(unit.page).state == .fetching { abandonFetch(unit) }
      throw error
    }
  }

  /// This node turned out to be home: by its own claim, or by others on its behalf.
  @inlinable
  func settleAtHome(_ unit: Unit, _ access: Access, _ view: ViewID) {
    ensureSpace(unit.pages)
    var held = HeldUnit(unit, make(.settle, unit.page))
    if access == .readWrite { writeAtHome(&held) }
    protection.raise(unit.pages, to: access, in: view)
    giveBack(held)
  }

  /// A page that nobody had written when the directory was read: the frame, which is zero, is a
  /// copy without a home. A notice that came meanwhile means that it has one now.
  @inlinable
  func mapZeros(_ unit: Unit, _ view: ViewID) {
    guard finishFetch(unit, forWriting: false) else {
      abandonFetch(unit)
      return
    }
    raiseFetched(unit.pages, .read, view)
    unlock(unit)
  }

  /// READs the page from `home` until no notice for it arrived during the READ.
  @inlinable
  func fetch(
    _ unit: Unit, _ home: NodeID, forWriting: Bool, _ view: ViewID, _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensure(
      home != node && home.isOne(of: nodeCount) && pages.load(unit.page).state == .fetching,
      .fetchFromElsewhere,
      unit.page)
    try ensureRegistered(configuration.chunk(of: unit.page))
    let from = try homeFrame(unit.page, home: home, w)
    storeHint(unit, home)
    ensureFrameRegistered(unit.page)
    while true {
      clearPoison(unit)
      var batch = fabric.open(home, lane: lane(unit.page))
      if isOn(.markAfterRead) {
        fabric.read(&batch, from: from, into: frame(unit.page), byteCount: byteCount(unit))
        writeMarks(&batch, unit.page, home: home, w)
      } else {
        writeMarks(&batch, unit.page, home: home, w)
        fabric.read(&batch, from: from, into: frame(unit.page), byteCount: byteCount(unit))
      }
      try complete(batch, w)
      add(.pagesFetched)
      add(.bytesFetched, byteCount(unit))
      if forWriting { copyTwin(unit) }
      execution.interleave(#line)
      if finishFetch(unit, forWriting: forWriting) { break }
    }
    execution.interleave(#line)
    if forWriting { pages.dirty.insert(unit.page) }
    raiseFetched(unit.pages, forWriting ? .readWrite : .read, view)
    unlock(unit)
  }

  @inlinable
  func raiseFetched(_ range: PageRange, _ access: Access, _ view: ViewID) {
    ensureSpace(range)
    execution.interleave(#line)
    protection.raise(range, to: access, in: view)
  }

  @inlinable
  func storeHint(_ unit: Unit, _ home: NodeID) {
    if pages.load(unit.page).home != home { _ = make(.learnHome, unit.page, told: home) }
  }

  /// From here on a notice poisons the READ that follows.
  @inlinable
  func clearPoison(_ unit: Unit) {
    if pages.load(unit.page).isPoisoned { _ = make(.clearPoison, unit.page) }
  }

  /// The copy is here, and the lock bit held; false where the fetch was poisoned meanwhile.
  @inlinable
  func finishFetch(_ unit: Unit, forWriting: Bool) -> Bool {
    let cell = pages.cell(unit.page)
    while true {
      let old = cell.load()
      if old.isPoisoned { return false }
      let new =
        forWriting
        ? attempt(.finishFetchForWriting, unit.page, from: old) : attempt(.finishFetch, unit.page, from: old)
      if case .some = new { return true }
    }
  }

  /// `fetching` → `invalid`: the access faults again.
  @inlinable
  func abandonFetch(_ unit: Unit) {
    _ = make(.abandonFetch, unit.page)
  }
}
