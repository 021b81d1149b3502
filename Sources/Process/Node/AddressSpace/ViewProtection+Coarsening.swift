import CPlatform
import Coherence
import Platform

// Making room: the kernel gives a process vm.max_map_count mappings, and pages protected differently from
// their neighbours take one each. Lowering a window of pages to none merges its mappings; the pages
// fault again when they are used, which costs time and nothing else.

extension ViewProtection {
  /// A window is worth a call (and the faults that follow) where it frees so many boundaries.
  @inlinable static var worthwhileGain: Int { 16 }

  /// Frees boundaries by lowering pages other than `pages` of `view` to none. True when it is worth trying
  /// again, because boundaries were freed here or by another thread meanwhile.
  ///
  /// Windows of 512 pages first, then wider and wider ones: where protections change
  /// seldom it takes a wide window to free many. When no window frees many, whatever frees one, the pages
  /// being raised included: they are raised afterwards. Called without any view's lock.
  @inlinable
  @inline(never)
  func makeRoom(sparing view: ViewID, _ pages: PageRange) -> Bool {
    let seen = counters.coarsenings.load()
    acquireSpinLock(counters.coarseningLock)
    var sweep = Sweep(view: view, pages: pages, wanted: wantedGain, gain: Self.worthwhileGain)
    if counters.coarsenings.load() == seen {
      while sweep.freed < sweep.wanted && sweep.shift < 48 {
        self.sweep(&sweep)
        sweep.shift &+= 3
      }
      if sweep.freed == 0 {
        sweep = Sweep(view: -1, pages: pages, wanted: wantedGain, gain: 1)
        self.sweep(&sweep)
        sweep.shift = 48
        if sweep.freed == 0 { self.sweep(&sweep) }
      }
      if sweep.freed > 0 { counters.coarsenings.fetchAdd(1) }
    }
    let worked = counters.coarsenings.load() != seen
    releaseSpinLock(counters.coarseningLock)
    return worked
  }

  /// So many boundaries are freed at once: enough that the next is far away, and that the pages which one
  /// instruction needs together stay.
  @inlinable
  var wantedGain: Int {
    let share = Int(truncatingIfNeeded: counters.budget.loadRelaxed() >> 8)
    return share < 16 ? 16 : share
  }

  @frozen
  @usableFromInline
  struct Sweep: BitwiseCopyable {
    /// Windows with these pages are left alone; view -1: none is.
    @usableFromInline let view: ViewID
    @usableFromInline let pages: PageRange
    @usableFromInline let wanted: Int
    @usableFromInline let gain: Int
    /// log2 of the pages of a window.
    @usableFromInline var shift = PageLevels.windowShift
    @usableFromInline var freed = 0

    @inlinable
    init(view: ViewID, pages: PageRange, wanted: Int, gain: Int) {
      self.view = view
      self.pages = pages
      self.wanted = wanted
      self.gain = gain
    }
  }

  /// One round of the hand over all windows of all views, until enough is free.
  @inlinable
  func sweep(_ sweep: inout Sweep) {
    let count = Int(truncatingIfNeeded: counters.recordCount.load())
    let firstRecord = Int(truncatingIfNeeded: counters.handRecord.loadRelaxed())
    let firstPage = Int(truncatingIfNeeded: counters.handPage.loadRelaxed())
    var step = 0
    // The first record comes twice: from the hand on, and at the end from its beginning.
    while step <= count && sweep.freed < sweep.wanted {
      let index = firstRecord &+ step < count ? firstRecord &+ step : firstRecord &+ step &- count
      if index < count && record(index).identity.load() != 0 {
        sweepRecord(index, from: step == 0 ? firstPage : 0, &sweep)
      }
      step &+= 1
    }
  }

  @inlinable
  func sweepRecord(_ index: Int, from start: Int, _ sweep: inout Sweep) {
    let record = record(index)
    acquireSpinLock(record.lock)
    if record.identity.loadRelaxed() != 0 {
      let levels = record.levels
      var page = (start >> sweep.shift) << sweep.shift
      while page < levels.count && sweep.freed < sweep.wanted {
        let end = page &+ (1 << sweep.shift)
        sweep.freed &+= lowerWindow(
          record, levels, PageRun(page, end < levels.count ? end : levels.count), sweep)
        page = end
      }
      counters.handRecord.storeRelaxed(UInt64(index))
      counters.handPage.storeRelaxed(UInt64(page))
    }
    releaseSpinLock(record.lock)
  }

  /// Lowers the part of `window` between its first and its last boundary to none, if that is worth it. There
  /// the kernel's mappings begin and end, so nothing is split: it works at the kernel's limit too,
  /// and does not stop half-way. Returns the boundaries freed.
  @inlinable
  func lowerWindow(_ record: ViewRecord, _ levels: PageLevels, _ window: PageRun, _ sweep: Sweep) -> Int {
    let shift = PageLevels.windowShift
    let inside = levels.boundaries(inWindows: window.start >> shift, ((window.end &- 1) >> shift) &+ 1)
    // At most one of them comes from outside: the one at the window's end.
    if inside < 1 || inside &+ 1 < sweep.gain { return 0 }
    let run = PageRun(levels.boundary(atOrAbove: window.start), levels.boundary(atOrBelow: window.end))
    if run.isEmpty { return 0 }
    let gain = -levels.growth(run, to: 0)
    if gain < sweep.gain || isSpared(record, run, sweep) || isPinned(record, run) { return 0 }
    let code = protect(record, run, 0)
    if code != 0 {
      reportFailure(code)
      return 0
    }
    levels.set(run, to: 0)
    addBoundaries(-gain)
    return gain
  }

  @inlinable
  func isSpared(_ record: ViewRecord, _ run: PageRun, _ sweep: Sweep) -> Bool {
    if sweep.view < 0 || record.identity.loadRelaxed() != sweep.view.identity { return false }
    let pages = record.pages(run)
    return pages.lowerBound < sweep.pages.upperBound && pages.upperBound > sweep.pages.lowerBound
  }
}
