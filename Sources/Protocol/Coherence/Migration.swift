import Fabric
import Platform

// Home migration: a page whose noticing nodes since the last barrier are exactly one, and not its home,
// moves to it. All nodes read the same epoch sets in the same order, so all know the same moves.
//
// The order, with every node's gate closed from before the first until after the second dissemination:
//   1. the old home stops writing (its unnoticed writes are noted), the new home places its diffs;
//   2. all nodes have done so: nobody reads or writes a frame of a moving page;
//   3. the new home READs the whole page from the old one and enters itself in the directory; all
//      nodes store the hint;
//   4. all nodes have done so: the new frames are complete, the gates open.
// So threads outside the barrier need no care: what they placed before 2 is in the READ of 3, and what
// they place after 4 goes to the new home. Barriers without moves pay nothing.

extension Engine {
  /// Counts `peer` as a noticer of the unit; a node that is not home makes it a candidate.
  @inlinable
  func tally(_ page: Page, unitPages: Int, of peer: NodeID, atHome: Bool) {
    let slot = pages.noticer(page)
    let epoch = local.epoch.loadRelaxed()
    if Noticer(raw: slot.loadRelaxed()).epoch == epoch {
      slot.storeRelaxed(Noticer(epoch: epoch, node: Noticer.several).raw)
      return
    }
    slot.storeRelaxed(Noticer(epoch: epoch, node: peer).raw)
    let count = Int(local.moveCount.loadRelaxed())
    guard !atHome, count < configuration.moveCount else { return }
    let move = local.move(count)
    move.unit.storeRelaxed(PlannedMove(page: page, unitPages: unitPages).raw)
    move.home.storeRelaxed(UInt64(peer.number))
    local.moveCount.storeRelaxed(UInt64(count + 1))
  }

  /// Whether the page moved a few barriers ago, as all nodes know: it stays, since one that moves to and fro
  /// costs more than the diffs of a wrong home.
  @inlinable
  func restsFromMove(_ page: Page) -> Bool {
    let moved = pages.moveStamp(page).loadRelaxed()
    return moved != 0 && local.epoch.loadRelaxed() - moved <= UInt64(configuration.moveRest)
  }

  @inlinable
  func moveAt(_ index: Int) -> (unit: Unit, home: NodeID) {
    ensure(index >= 0 && index < Int(local.moveCount.loadRelaxed()), .movesCounted, index)
    let move = local.move(index)
    let packed = PlannedMove(raw: move.unit.loadRelaxed())
    return (Unit(page: packed.page, count: packed.unitPages), NodeID(Int(move.home.loadRelaxed())))
  }

  /// Drops the candidates that a second node noticed, and those that the last barrier forgot: a node whose
  /// thread detached behind its seal noted those pages in the epoch after, and nobody knows a home for them
  /// any more.
  @inlinable
  func keepSoleWriters() {
    var kept = 0
    for index in 0..<Int(local.moveCount.loadRelaxed()) {
      let candidate = moveAt(index)
      if Noticer(raw: pages.noticer(candidate.unit.page).loadRelaxed()).node != candidate.home { continue }
      if wasForgotten(candidate.unit.page), !isOn(.forgottenPagesMove) { continue }
      if restsFromMove(candidate.unit.page) { continue }
      let (from, to) = (local.move(index), local.move(kept))
      to.unit.storeRelaxed(from.unit.loadRelaxed())
      to.home.storeRelaxed(from.home.loadRelaxed())
      kept += 1
    }
    local.moveCount.storeRelaxed(UInt64(kept))
  }

  /// Signals stay blocked throughout: a handler of this thread that touched shared memory would
  /// wait at the gate that only this thread opens.
  @inlinable
  func moveHomes() throws(EngineError) {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    // Opened in any case: page faults are served after a loss, too (after-a-loss.md).
    defer { if !isOn(.movesWithoutGate) { openGate() } }
    if !isOn(.movesWithoutGate) { try closeGate() }
    // Behind the gate, as everywhere: who is inside and wants a workspace is not kept from it.
    let w = takeWorkspace()
    defer { giveBack(w) }
    do throws(EngineError) {
      try moveHomes(w)
    } catch {
      // Kept before the gate opens: others would place diffs at homes that are none any more.
      let failure = midway(error)
      for index in 0..<Int(local.moveCount.loadRelaxed()) { stayHome(moveAt(index).unit) }
      throw failure
    }
  }

  @inlinable
  func moveHomes(_ w: Workspace<E.W>) throws(EngineError) {
    var message = BarrierMessage()
    let count = Int(local.moveCount.loadRelaxed())
    try takeCommitLock()
    var log = LogWriter(logHead.load())
    for index in 0..<count where !(try prepareMove(moveAt(index), &log, w)) { message.movesCancelled = true }
    publish(log)
    dropCommitLock()
    try disseminate(&message, carrying: true)
    for index in 0..<count {
      if message.movesCancelled { try takeBack(moveAt(index)) } else { try carryOut(moveAt(index), w) }
    }
    try disseminate(&message, carrying: false)
  }

  /// Step 1. False where the page is being written behind a pin at its home: such a page cannot move.
  /// (A twin copied now would miss diffs that are still coming in, one copied after the dissemination
  /// the writes between the new home's READ and the copy.) Pinned while other threads' releases and
  /// this barrier were under way, that is; else its home noticed it and it is no candidate.
  @inlinable
  func prepareMove(
    _ move: (unit: Unit, home: NodeID), _ log: inout LogWriter, _ w: Workspace<E.W>
  ) throws(EngineError) -> Bool {
    let unit = move.unit
    var held = try holdUnit(unit)
    let word = held.word
    if word.isHome && move.home != node && word.isPinned && word.state == .homeDirty
      && !isOn(.pinnedHomeMoves)
    {
      giveBack(held)
      return false
    }
    if word.isHome && move.home != node {
      // Writes that it has not noticed yet, or tracked at all, are noticed now: it can do so no more
      // when it is not home.
      if word.state != .homeTracked || word.hasAtomics { note(unit, atHome: true, &log) }
      protection.lower(unit.pages, to: .read)
      execution.interleave(#line)
      step(.leaveHome, &held)
      pages.cached.insert(unit.page)
      add(.pagesMovedAway)
    } else if word.state == .dirty && move.home == node && !word.isPinned {
      protection.lower(unit.pages, to: .read)
      try unlocking(unit) { () throws(EngineError) in
        var sender = DiffSender<E.F>()
        try flushLocked(&held, &log, &sender, w)
        try closeHomes(&sender, w)
      }
    }
    giveBack(held)
    return true
  }

  /// Instead of step 3: the old home, to which all diffs went, is home as before.
  @inlinable
  func takeBack(_ move: (unit: Unit, home: NodeID)) throws(EngineError) {
    var held = try holdUnit(move.unit)
    if held.word.home == node && held.word.state == .clean { step(.takeBack, &held) }
    giveBack(held)
  }

  /// Where the moves failed in the middle, and the job is over for this node: its threads may still use what
  /// is here, so a page that it was leaving is at home again. Behind the gate nobody else has a lock bit.
  @inlinable
  func stayHome(_ unit: Unit) {
    guard case .held(var held) = lookForLockBit(unit, passing: .none, unless: 0) else { return }
    if held.word.home == node && held.word.state == .clean { step(.takeBack, &held) }
    giveBack(held)
  }

  /// Step 3, on every node: the new home takes the page over, all others store the hint.
  @inlinable
  func carryOut(_ move: (unit: Unit, home: NodeID), _ w: Workspace<E.W>) throws(EngineError) {
    let unit = move.unit
    ensure(move.home.isOne(of: nodeCount), .moveToANode, unit.page)
    ensure(isGateClosed, .gateClosed, unit.page)
    var held = try holdUnit(unit)
    touch(unit.page, unless: .moveLeavesUntouched)
    pages.moveStamp(unit.page).storeRelaxed(local.epoch.loadRelaxed())
    if held.word.isHome {
      ensure(move.home == node, .homeAfterMove, unit.page)
      // It moved here at the last barrier, behind whose seal this node noted it once more: this move is from
      // here to here.
    } else if move.home == node {
      try unlocking(unit) { () throws(EngineError) in try takeOver(&held, w) }
      ensure(held.word.isHome, .homeAfterMove, unit.page)
      add(.pagesMovedHere)
    } else {
      step(.homeMoved, &held, told: move.home)
    }
    giveBack(held)
  }

  /// The whole page from the old home, and the directory word. This node's diffs are in that page.
  @inlinable
  func takeOver(_ held: inout HeldUnit, _ w: Workspace<E.W>) throws(EngineError) {
    let unit = held.unit
    ensureHeld(held)
    let old = held.word.home
    // Who notices a page knows its home, and so do all: moves are told to everybody.
    if old < 0 { throw bad(.epochNotice, of: node, UInt64(unit.page.number) << 28) }
    try ensureRegistered(configuration.chunk(of: unit.page))
    let from = try homeFrame(unit.page, home: old, w)
    if held.word.state == .dirty {
      // Pinned: the writer goes on, so the page comes in under its bytes.
      try readAside(unit, home: old, merging: true, w)
    } else if !isOn(.moveWithoutFetch) {
      var batch = fabric.open(old, lane: lane(unit.page))
      fabric.read(&batch, from: from, into: frame(unit.page), byteCount: byteCount(unit))
      fabric.submit(batch, w.flight)
    }
    let shard = directoryWord(unit.page)
    var batch = fabric.open(shard.node, lane: lane(unit.page))
    compareAndSwap(
      &batch, shard.word, of: shard.node, expected: UInt64(old.number + 1), desired: UInt64(node.number + 1),
      old: w.result(0))
    try complete(batch, w)
    // Whoever looked the page up has the same old home.
    if w.resultValue(0) != UInt64(old.number + 1) { throw bad(.directory, of: shard.node, w.resultValue(0)) }
    if held.word.state == .dirty {
      // Pinned: it stays writable, so it is noticed at every release.
      step(.arriveHomePinned, &held)
      pages.dirty.insert(unit.page)
    } else {
      if held.word.state == .invalid { protection.lower(unit.pages, to: .none) }
      step(.arriveHome, &held)
    }
  }
}
