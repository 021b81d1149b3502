import Fabric
import Platform

// First writes in order claim their neighbours with them: a run that grows to a block of the directory, whose
// words lie together, so that all compare-and-swaps ride in one doorbell. Programs fill what they allocate
// from one end to the other; each page by a fault of its own is what a node pays most for.

extension Engine {
  /// The units to claim together with `unit`, which is among them: alone where first writes are not in order.
  /// They lie in one block, chunk and segment. In a job of one node all of that: nobody else could want them.
  @inlinable
  func claimRun(around unit: Unit) -> PageRange {
    guard configuration.mechanisms.contains(.claimRuns), let shape = pages.shape(of: unit.page) else {
      return unit.pages
    }
    let longest = min(configuration.claimRun.unitCount(byteCount(unit)), WindowLimit.longestUnitCount) - 1
    if longest <= 0 { return unit.pages }
    let blockEnd = ControlLayout.blockEnd(unit.page)
    if isAlone {
      let chunk = configuration.pages(of: configuration.chunk(of: unit.page))
      let first = Page.max(.max(unit.page.block.pages.lowerBound, chunk.lowerBound), shape.pages.lowerBound)
      return first..<clip(blockEnd, unit, shape)
    }
    let ahead = inOrder(
      unit, .readWrite, least: min(16, longest), longest: longest, limit: blockEnd, shape)
    if !ahead.isEmpty { return unit.page..<ahead.upperBound }
    let width = min(2 * homesBefore(unit, shape), longest)
    return unit.page..<Page.min(blockEnd, clip(unit.pages.upperBound + width * unit.count, unit, shape))
  }

  /// How many units right before `unit` are at home here, up to 16: so many were written first before it, in
  /// order, however many other places this node writes to in between.
  @inlinable
  func homesBefore(_ unit: Unit, _ shape: SegmentShape) -> Int {
    var count = 0
    var page = unit.page
    while count < 16, page >= shape.pages.lowerBound + unit.count, pages.load(page - unit.count).isHome {
      page = page - unit.count
      count += 1
    }
    return count
  }

  /// Claims the units of `run` that nobody has touched here; `unit`, which is among them, this thread fetches
  /// or holds. What is won is writable in `view` on return, but for `unit` itself, of which the directory's
  /// answer is returned.
  @inlinable
  func claim(
    _ unit: Unit, with run: PageRange, _ view: ViewID, _ w: Workspace<E.W>
  ) throws(EngineError) -> Located {
    if run.count == unit.count { return try locate(unit, claiming: true, w) }
    let claimant = try claimant(for: unit, w)
    if claimant != node { return try locate(unit, claiming: true, w) }
    let taken = takeUntouched(run, but: unit)
    do throws(EngineError) {
      try exchangeWords(unit, run, taken.fetching | taken.held, w)
      let located = try claimed(unit, w.resultValue(runResult(unit, in: run)), by: claimant)
      try settle(taken, run, unit, view, w)
      return located
    } catch {
      letGo(taken, run, unit)
      throw error
    }
  }

  /// Bit i is the i-th unit of a run.
  @inlinable
  func index(_ unit: Unit, in run: PageRange) -> Int { (unit.page - run.lowerBound) / unit.count }

  @inlinable
  func runResult(_ unit: Unit, in run: PageRange) -> Int {
    Workspace<E.W>.bulkIndex + index(unit, in: run)
  }

  /// Takes the units of `run` that nobody has touched here, by trying: they are being fetched by this thread
  /// then, or, where their zeros are mapped, their lock bits are held. Nobody else of this node claims them
  /// meanwhile. (Their frames are zero: nothing is READ into a frame whose home is not known.)
  @inlinable
  func takeUntouched(_ run: PageRange, but unit: Unit) -> RunMask {
    var mask = RunMask()
    guard let shape = pages.shape(of: unit.page) else { return mask }
    for page in run.by(unit.count) where page != unit.page {
      let word = pages.load(page)
      let wish = shape.wishedHome(page, nodeCount: nodeCount)
      guard word.home < 0, !word.isLocked, !word.isPinned, wish < 0 || wish == node else { continue }
      let bit = UInt64(1) << UInt64((page - run.lowerBound) / unit.count)
      if word.state == .invalid {
        guard case .some = attempt(.beginFetch, page, from: word) else { continue }
        mask.fetching |= bit
      } else if word.state == .clean {
        guard case .some = attempt(.take, page, from: word) else { continue }
        mask.held |= bit
      }
    }
    execution.interleave(#line)
    return mask
  }

  /// The compare-and-swaps of `unit` and of the units taken, in one batch; results where `runResult` says.
  @inlinable
  func exchangeWords(
    _ unit: Unit, _ run: PageRange, _ taken: UInt64, _ w: Workspace<E.W>
  ) throws(EngineError) {
    let shard = directoryWord(unit.page)
    var batch = fabric.open(shard.node, lane: lane(unit.page))
    let isAnnounced = announceClaim(&batch, unit, to: shard.node)
    var rest = taken | 1 << UInt64(index(unit, in: run))
    while rest != 0 {
      let offset = rest.trailingZeroBitCount
      rest &= rest - 1
      let page = run.lowerBound + offset * unit.count
      compareAndSwap(
        &batch, directoryWord(page).word, of: shard.node, expected: 0, desired: UInt64(node.number + 1),
        old: w.result(Workspace<E.W>.bulkIndex + offset))
    }
    try complete(batch, w)
    if !isAnnounced { claimIsAnnounced(unit) }
  }

  /// What was won is at home here: dirty and on the dirty list before it can be written, so that the next
  /// release notices it, for the zeros that others have of it. What was lost is as before, with a hint.
  @inlinable
  func settle(
    _ taken: RunMask, _ run: PageRange, _ unit: Unit, _ view: ViewID, _ w: Workspace<E.W>
  ) throws(EngineError) {
    var won: UInt64 = 0
    var rest = taken.fetching | taken.held
    while rest != 0 {
      let offset = rest.trailingZeroBitCount
      rest &= rest - 1
      let other = Unit(page: run.lowerBound + offset * unit.count, count: unit.count)
      let before = w.resultValue(Workspace<E.W>.bulkIndex + offset)
      // A word that cannot be is said by whoever wants that unit.
      let home = before > UInt64(nodeCount) ? NodeID.none : NodeID(Int(before) - 1)
      let isFetching = taken.fetching >> UInt64(offset) & 1 != 0
      if before == 0 || home == node {
        if before == 0 { add(.firstTouches) }
        settleWon(other, isFetching: isFetching)
        won |= 1 << UInt64(offset)
      } else {
        settleLost(other, home, isFetching: isFetching)
      }
    }
    raiseWon(won, run, unit, view)
  }

  @inlinable
  func settleWon(_ unit: Unit, isFetching: Bool) {
    var held = isFetching ? HeldUnit(unit, make(.settle, unit.page)) : heldAlready(unit)
    if !isFetching { step(.becomeHome, &held) }
    if isAlone || isOn(.runExclusiveAtOnce) {
      step(.becomeExclusive, &held)
    } else {
      step(.becomeHomeDirty, &held)
      if !isOn(.runNotListed) { pages.dirty.insert(unit.page) }
    }
    store(&held)
  }

  @inlinable
  func settleLost(_ unit: Unit, _ home: NodeID, isFetching: Bool) {
    if isFetching {
      if home >= 0 { storeHint(unit, home) }
      abandonFetch(unit)
    } else {
      var held = heldAlready(unit)
      if home >= 0 { step(.learnHomeOfCopy, &held, told: home) }
      giveBack(held)
    }
  }

  /// Contiguous units by one raise, lock bits held.
  @inlinable
  func raiseWon(_ won: UInt64, _ run: PageRange, _ unit: Unit, _ view: ViewID) {
    var rest = won
    while rest != 0 {
      let start = rest.trailingZeroBitCount
      let length = (~(rest >> UInt64(start))).trailingZeroBitCount
      let low = run.lowerBound + start * unit.count
      raiseFetched(low..<low + length * unit.count, .readWrite, view)
      for i in 0..<length { unlock(Unit(page: low + i * unit.count, count: unit.count)) }
      rest = start + length >= 64 ? 0 : rest & (~0 << UInt64(start + length))
    }
  }

  /// Where the directory did not answer.
  @inlinable
  func letGo(_ taken: RunMask, _ run: PageRange, _ unit: Unit) {
    var rest = taken.fetching | taken.held
    while rest != 0 {
      let offset = rest.trailingZeroBitCount
      rest &= rest - 1
      settleLost(
        Unit(page: run.lowerBound + offset * unit.count, count: unit.count), .none,
        isFetching: taken.fetching >> UInt64(offset) & 1 != 0)
    }
  }
}

/// The units of a run that a thread has taken to claim them.
@frozen
@usableFromInline
struct RunMask: BitwiseCopyable {
  /// `fetching`, by this thread.
  @usableFromInline var fetching: UInt64 = 0
  /// The zeros of a page, lock bit held.
  @usableFromInline var held: UInt64 = 0

  @inlinable init() {}
}
