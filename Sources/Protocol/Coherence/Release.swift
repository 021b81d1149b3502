import Fabric
import Platform

// Release: every write of this node before it is placed at the homes and noted in the log before
// anybody can learn of it.
//
// Group commit: a release returns when a round that began after it was called has moved the head. So it
// also covers what another thread's round had taken off the dirty list and not yet placed.

extension Engine {
  /// The release fence: on return all writes of this node before the call are placed and noted.
  @inlinable
  public func release() throws(EngineError) {
    try checkPeers()
    if try skipRelease() { return }
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    try releaseInRound()
  }

  @inlinable
  func releaseWithSignalsBlocked() throws(EngineError) {
    if try skipRelease() { return }
    try releaseInRound()
  }

  /// Ends a release that would place nothing and note nothing.
  @inlinable
  func skipRelease() throws(EngineError) -> Bool {
    guard hasNothingToRelease else { return false }
    // A round that failed has taken pages off the list: known before it gave the commit lock back.
    try checkPeers()
    add(.releases)
    return true
  }

  @inlinable
  func releaseInRound() throws(EngineError) {
    try enterGate()
    defer { leaveGate() }
    add(.releases)
    try groupCommit()
  }

  @inlinable
  func groupCommit() throws(EngineError) {
    // This thread's stores are out before the rounds are counted: where a page stays writable, nothing else
    // would drain them, and a round that begins now might not see them.
    fullFence()
    // A round counted in `roundsBegun` already may have passed this thread's pages by.
    let wanted = local.roundsBegun.load() + 1
    execution.interleave(#line)
    let w = takeWorkspace()
    defer { giveBack(w) }
    var backoff = Backoff()
    while local.roundsFinished.load() < wanted {
      if tryCommitLock() {
        try checkCommit()
        if local.roundsFinished.load() >= wanted {
          dropCommitLock()
          return
        }
        execution.interleave(#line)
        try commitRound(w)
        ensureCovered(wanted)
        execution.interleave(#line)
        dropCommitLock()
        return
      }
      if isOn(.noGroupCommit) { return }
      try checkPeers()
      execution.pause(&backoff)
    }
  }

  @inlinable
  func ensureCovered(_ round: UInt64) {
    ensure(local.roundsFinished.load() >= round, .roundCovers, Int(round))
  }

  /// One round, under the commit lock: diffs and notices of everything on the dirty list, notices of
  /// exclusive pages that were fetched, head moved. Counted before it begins and when it has ended
  /// (`groupCommit`).
  @inlinable
  func commitRound(_ w: Workspace<E.W>) throws(EngineError) {
    let round = local.roundsBegun.fetchAdd(1) + 1
    execution.interleave(#line)
    do throws(EngineError) { try commitWhole(w) } catch { throw midway(error) }
    execution.interleave(#line)
    ensure(local.roundsFinished.loadRelaxed() + 1 == round, .roundsInOrder, Int(round))
    local.roundsFinished.store(round)
  }

  @inlinable
  func commitWhole(_ w: Workspace<E.W>) throws(EngineError) {
    ensure(isCommitLockHeld, .commitLockHeld)
    ensure(isInsideGate, .insideGate)
    var log = LogWriter(logHead.load())
    var sender = DiffSender<E.F>()
    try flushDirtyPages(&log, &sender, w)
    try noteFetchedExclusives(&log)
    try closeHomes(&sender, w)
    publish(log)
  }

  @inlinable
  func flushDirtyPages(
    _ log: inout LogWriter, _ sender: inout DiffSender<E.F>, _ w: Workspace<E.W>
  ) throws(EngineError) {
    var run = PageRange(0, count: 0)
    var unitPages = 1
    do throws(EngineError) {
      try gatherDirtyPages(&run, &unitPages, &log, &sender, w)
    } catch {
      unlockRun(run, unitPages: unitPages)
      throw error
    }
    try flushRun(run, unitPages: unitPages, &log, &sender, w)
    // Nobody waits for a lock bit with a batch open: its holder may be waiting for the connection.
    submit(&sender, w)
  }

  /// Takes the dirty list and flushes all but the last run, whose lock bits are held; where it throws, those
  /// of `run`.
  @inlinable
  func gatherDirtyPages(
    _ run: inout PageRange, _ unitPages: inout Int, _ log: inout LogWriter, _ sender: inout DiffSender<E.F>,
    _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensureRound()
    var taker = pages.dirty.take()
    while let page = taker.next() {
      execution.interleave(#line)
      let unit = pages.unit(containing: page)
      guard try lockForFlush(unit, &sender, w) else { continue }
      if pages.load(unit.page).isPinned {
        var held = heldAlready(unit)
        try unlocking(unit) { () throws(EngineError) in try flushPinned(&held, &log, &sender, w) }
        giveBack(held)
        continue
      }
      if noteInPlace(unit, &log) { continue }
      do throws(EngineError) {
        if try flushHot(unit, &log, &sender, w) { continue }
      } catch {
        unlock(unit)
        throw error
      }
      if unit.page == run.upperBound, unit.count == unitPages, run.count < 256 {
        run = run.lowerBound..<unit.pages.upperBound
      } else {
        let (full, fullUnitPages) = (run, unitPages)
        run = unit.pages
        unitPages = unit.count
        try flushRun(full, unitPages: fullUnitPages, &log, &sender, w)
      }
    }
  }

  /// A page at home that nobody has fetched since its last notice, or that is written all the time: noticed,
  /// and from now on exclusive. It stays writable, so the next write to it is no fault. True where it is
  /// done; else the lock bit is still held.
  ///
  /// Whoever has a copy got it before this notice, which drops it. Whoever fetches from now on leaves a mark
  /// that a later round finds: rounds share the commit lock, so this one needs no second look at the mark.
  /// (One that is set means that others read what is written here: then a fault for each round costs less
  /// than what they would fetch for notices of what did not change.)
  @inlinable
  func noteInPlace(_ unit: Unit, _ log: inout LogWriter) -> Bool {
    guard configuration.mechanisms.contains(.exclusiveAtRelease) else { return false }
    ensureRound(unit.page)
    var held = heldAlready(unit)
    guard held.word.state == .homeDirty || held.word.state == .homeExclusive else { return false }
    let wasFetched = mark(unit.page).load() != 0
    if wasFetched {
      guard !held.word.isPinned, staysHotAtHome(unit) else { return false }
      // Before the head moves: who set it drops its copy for this notice.
      mark(unit.page).store(0)
    }
    execution.interleave(#line)
    // Before the commit lock is free: whoever writes here and finds the dirty list empty looks there next.
    rememberExclusive(block: unit.page.block)
    ensureSeen(unit.page)
    step(.noteInPlace, &held)
    store(&held)
    execution.interleave(#line)
    let isUnnoticed = isOn(.hotHomeUnnoticed) && mayBeHot(unit) && pages.heat(unit.page).load() == 0
    if !isOn(.inPlaceWithoutNotice), !isUnnoticed || !wasFetched { note(unit, atHome: true, &log) }
    add(.exclusivePages)
    giveBack(held)
    return true
  }

  /// Takes the unit's lock bit if there is something to flush. A thread that makes the page dirty
  /// later puts it on the list again. Posts what `sender` gathered before it waits.
  @inlinable
  func lockForFlush(
    _ unit: Unit, _ sender: inout DiffSender<E.F>, _ w: Workspace<E.W>
  ) throws(EngineError) -> Bool {
    let settled: PageStates = .invalid | .fetching | .clean | .homeTracked | PageStates(.homeExclusive)
    var look = lookForLockBit(unit, passing: settled, unless: PageWord.atomics)
    if case .busy = look {
      if !isOn(.releaseWaitsInBatch) { submit(&sender, w) }
      look = try takeLockBit(unit, passing: settled, unless: PageWord.atomics)
    }
    if case .held = look { return true }
    return false
  }

  /// Exclusive pages at home that somebody has fetched: a notice, written or not, and tracked again. Looks at
  /// the groups of blocks in which there may be such pages, a word of bits for 64 groups (1 GiB of pages of 4
  /// KiB).
  @inlinable
  func noteFetchedExclusives(_ log: inout LogWriter) throws(EngineError) {
    // Stores to exclusive pages before this release, then the look at the marks: a mark placed later
    // has its READ after those stores.
    fullFence()
    var parts = local.exclusiveParts.load()
    while parts != 0 {
      for index in local.exclusiveGroupParts.lowest(parts) {
        var groups = local.exclusiveGroupWord(index).load()
        while groups != 0 {
          try noteFetchedExclusives(inGroup: index << 6 | groups.trailingZeroBitCount, &log)
          groups &= groups - 1
        }
      }
      parts &= parts - 1
    }
  }

  /// Block marks are bytes; eight are looked at together.
  @inlinable
  func noteFetchedExclusives(inGroup group: Int, _ log: inout LogWriter) throws(EngineError) {
    let first = Block(group * ControlLayout.groupBlockCount)
    let marks = own(layout.blockMarks)
    for offset in stride(from: 0, to: ControlLayout.groupBlockCount, by: 8) {
      var found = marks.eight(from: first + offset).load()
      while found != 0 {
        let byte = found.trailingZeroBitCount >> 3
        found &= ~(0xFF << UInt64(byte << 3))
        try noteFetchedExclusives(inBlock: first + offset + byte, &log)
      }
    }
  }

  @inlinable
  func noteFetchedExclusives(inBlock block: Block, _ log: inout LogWriter) throws(EngineError) {
    let summary = blockMark(block)
    if isOn(.exchangeWithoutBarriers) {
      try noteExclusives(in: block, &log)
      execution.interleave(#line)
      summary.store(0)
    } else {
      // A full barrier on both sides: page marks placed before this summary are seen below.
      _ = summary.exchange(0)
      try noteExclusives(in: block, &log)
    }
  }

  @inlinable
  func noteExclusives(in block: Block, _ log: inout LogWriter) throws(EngineError) {
    ensureRound(block.pages.lowerBound)
    var run = PageRange(0, count: 0)
    var unitPages = 1
    do throws(EngineError) {
      for page in block.pages.lowerBound..<Page.min(block.pages.upperBound, configuration.endPage) {
        guard let unit = try lockIfFetched(page) else { continue }
        if knowsHeat, noteInPlace(unit, &log) { continue }
        if unit.page == run.upperBound, unit.count == unitPages {
          run = run.lowerBound..<unit.pages.upperBound
        } else {
          trackAgain(run, unitPages: unitPages, &log)
          run = unit.pages
          unitPages = unit.count
        }
      }
    } catch {
      unlockRun(run, unitPages: unitPages)
      throw error
    }
    trackAgain(run, unitPages: unitPages, &log)
  }

  /// The unit that begins with `page`, lock bit held, where it is exclusive and somebody has fetched it.
  @inlinable
  func lockIfFetched(_ page: Page) throws(EngineError) -> Unit? {
    let others: PageStates = .invalid | .fetching | .copies | .homeTracked | PageStates(.homeDirty)
    guard pages.load(page).state == .homeExclusive, mark(page).load() != 0 else { return nil }
    execution.interleave(#line)
    guard case .held(let held) = try takeLockBit(pages.unit(containing: page), passing: others) else {
      return nil
    }
    if mark(page).load() != 0 { return held.unit }
    giveBack(held)
    return nil
  }

  /// Contiguous units, lock bits held.
  @inlinable
  func trackAgain(_ run: PageRange, unitPages: Int, _ log: inout LogWriter) {
    if run.isEmpty { return }
    protection.lower(run, to: .read)
    execution.interleave(#line)
    for page in run.by(unitPages) {
      var held = heldAlready(Unit(page: page, count: unitPages))
      mark(page).store(0)
      execution.interleave(#line)
      step(.trackAgain, &held)
      note(held.unit, atHome: true, &log)
      giveBack(held)
    }
  }
}
