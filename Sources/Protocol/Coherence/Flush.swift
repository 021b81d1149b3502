import Fabric
import Platform

/// Diffs on their way: one open batch at a time, and what has to be waited for.
@frozen
@usableFromInline
struct DiffSender<F: Fabric> {
  @usableFromInline var batch: F.Batch?
  @usableFromInline var home = NodeID.none
  @usableFromInline var lane: Lane = -1
  /// A WRITE too long to be copied when it is gathered: its frame must stay as it is until it completes.
  @usableFromInline var readsFrames = false
  /// Copies that this round has left writable.
  @usableFromInline var hotCount = 0

  @inlinable init() {}
}

extension Engine {
  /// WRITEs what differs between the unit's frame and its twin to its home; the lock bit is held and
  /// the application cannot write. False where nothing differs.
  @inlinable
  func sendDiff(
    _ unit: Unit, lane: Lane, home: NodeID, from source: UnsafeRawPointer, _ sender: inout DiffSender<E.F>,
    _ w: Workspace<E.W>
  ) throws(EngineError) -> Bool {
    var runs = DiffRuns(frame: source, twin: pages.twin(unit.page), byteCount: byteCount(unit))
    guard var run = runs.run() else { return false }
    ensure(home.isOne(of: nodeCount) && home != node, .diffHasHome, unit.page)
    if local.peerKey(home, configuration.chunk(of: unit.page)).loadRelaxed() == 0 {
      // The key is READ by a batch of its own, and no two may be open.
      submit(&sender, w)
    }
    let target = try homeFrame(unit.page, home: home, w)
    if sender.home != home || sender.lane != lane || sender.batch == nil {
      submit(&sender, w)
      sender.home = home
      sender.lane = lane
      sender.batch = fabric.open(home, lane: lane)
      useLane(home, lane)
    }
    while true {
      if isOn(.diffCoversUnchangedByte), run.upperBound < byteCount(unit) {
        run = run.lowerBound..<run.upperBound + 1
      }
      if var batch = sender.batch {
        fabric.write(
          &batch, from: source + run.lowerBound, byteCount: run.count,
          to: target.advanced(by: run.lowerBound))
        sender.batch = batch
      }
      if run.count > inlineLimit { sender.readsFrames = true }
      add(.diffRuns)
      add(.diffBytes, run.count)
      guard let following = runs.run() else { break }
      run = following
    }
    add(.diffsSent)
    return true
  }

  @inlinable
  func submit(_ sender: inout DiffSender<E.F>, _ w: Workspace<E.W>) {
    guard let batch = sender.batch else { return }
    fabric.submit(batch, w.flight)
    sender.batch = nil
  }

  @inlinable
  func useLane(_ home: NodeID, _ lane: Lane) {
    let bit = home.number * LocalState<E.W>.laneLimit + lane.number
    local.usedLanes[bit >> 6].fetchOr(1 << UInt64(bit & 63))
  }

  /// Ends the batches: a READ behind the WRITEs of every connection used. An acknowledged WRITE has
  /// reached the device; the READ's completion proves that it is placed.
  @inlinable
  func closeHomes(_ sender: inout DiffSender<E.F>, _ w: Workspace<E.W>) throws(EngineError) {
    ensureRound()
    submit(&sender, w)
    sender.readsFrames = false
    let laneLimit = LocalState<E.W>.laneLimit
    for index in 0..<(nodeCount * laneLimit + 63) / 64 {
      let word = local.usedLanes[index]
      var bits = word.loadRelaxed()
      word.storeRelaxed(0)
      while bits != 0 {
        let bit = index * 64 + bits.trailingZeroBitCount
        bits &= bits - 1
        if isOn(.noClosingRead) { continue }
        let home = NodeID(bit / laneLimit)
        var batch = fabric.open(home, lane: Lane(bit % laneLimit))
        read(&batch, layout.logHead.span, of: home, into: w.result(2))
        fabric.submit(batch, w.flight)
      }
    }
    try wait(w.flight)
  }

  /// Flushes units `range` (each of `unitPages`), all locked: read-only, diffs under way, noted,
  /// unlocked.
  @inlinable
  func flushRun(
    _ range: PageRange, unitPages: Int, _ log: inout LogWriter, _ sender: inout DiffSender<E.F>,
    _ w: Workspace<E.W>
  ) throws(EngineError) {
    if range.isEmpty { return }
    do throws(EngineError) {
      try flushLockedRun(range, unitPages: unitPages, &log, &sender, w)
    } catch {
      unlockRun(range, unitPages: unitPages)
      throw error
    }
    unlockRun(range, unitPages: unitPages)
  }

  @inlinable
  func unlockRun(_ range: PageRange, unitPages: Int) {
    for page in range.by(unitPages) {
      unlock(Unit(page: page, count: unitPages))
    }
  }

  @inlinable
  func flushLockedRun(
    _ range: PageRange, unitPages: Int, _ log: inout LogWriter, _ sender: inout DiffSender<E.F>,
    _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensureRound(range.lowerBound)
    ensureSpace(range)
    protection.lower(range, to: .read)
    execution.interleave(#line)
    for page in range.by(unitPages) {
      let unit = Unit(page: page, count: unitPages)
      var held = heldAlready(unit)
      try flushLocked(&held, &log, &sender, w)
    }
    if sender.readsFrames && !isOn(.bitNotHeldOverDiff) {
      submit(&sender, w)
      try wait(w.flight)
      sender.readsFrames = false
    }
  }

  /// One unit, lock bit held and not writable: its diff and its notice. The bit stays held.
  @inlinable
  func flushLocked(
    _ held: inout HeldUnit, _ log: inout LogWriter, _ sender: inout DiffSender<E.F>, _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensureRound(held.unit.page)
    ensureHeld(held)
    let unit = held.unit
    var changed = held.word.hasAtomics
    if held.word.state == .dirty {
      let sent = try sendDiff(
        unit, lane: lane(unit.page), home: held.word.home, from: frame(unit.page), &sender, w)
      execution.interleave(#line)
      if sent { step(.placeDiff, &held) } else { step(.dropTwin, &held) }
      warm(unit, changed: sent)
      changed = changed || sent
    } else if held.word.isHome {
      changed = true
      // Before the head moves: a fetch marked before this is of a node that has not consumed this
      // notice yet; a later mark is seen at the next release.
      mark(unit.page).store(0)
      execution.interleave(#line)
      step(.noteAtHome, &held)
    } else {
      step(.noteAtomics, &held)
    }
    store(&held)
    if changed { note(unit, atHome: held.word.isHome, &log) }
  }
}
