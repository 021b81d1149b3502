import CPlatform
import Coherence
import Platform

extension ViewProtection {
  @frozen
  @usableFromInline
  enum Outcome: BitwiseCopyable { case done, overBudget, refused(Int32) }

  /// Changes `pages` (global) in one view to `target`, as far as they lie in it. A stale id does nothing.
  @inlinable
  func change(_ pages: PageRange, to target: UInt8, in view: ViewID, raising: Bool) {
    let record = record(of: view)
    var mayExceed = false
    while true {
      acquireSpinLock(record.lock)
      var outcome = Outcome.done
      if record.identity.loadRelaxed() == view.identity {
        outcome = apply(record, pages, target, raising, mayExceed: mayExceed)
      }
      releaseSpinLock(record.lock)
      switch outcome {
      case .done: return
      case .overBudget:
        // Beyond the budget there is still the other half of what the kernel has.
        if !makeRoom(sparing: view, pages) { mayExceed = true }
      case .refused(let code):
        if code != ENOMEM || !makeRoom(sparing: view, pages) {
          reportFailure(code)
          return
        }
      }
    }
  }

  /// Under the record's lock. What was done before an outcome other than `done` stays; the next call
  /// skips it.
  @inlinable
  func apply(
    _ record: ViewRecord, _ pages: PageRange, _ wanted: UInt8, _ raising: Bool, mayExceed: Bool
  ) -> Outcome {
    let levels = record.levels
    let target = raising && wanted > record.limit ? record.limit : wanted
    var page = pages.lowerBound - record.firstPage
    var end = pages.upperBound - record.firstPage
    if page < 0 { page = 0 }
    if end > levels.count { end = levels.count }
    while page < end {
      let run = levels.nextRun(from: page, until: end, to: target, raising: raising)
      if run.isEmpty { return .done }
      let growth = levels.growth(run, to: target)
      if growth > 0 && !reserve(growth, mayExceed: mayExceed) { return .overBudget }
      let code = protect(record, run, target)
      if code != 0 {
        if growth > 0 { addBoundaries(-growth) }
        guard code == ENOMEM, retreat(record, levels, run), !raising else { return .refused(code) }
      } else {
        levels.set(run, to: target)
        if growth < 0 { addBoundaries(growth) }
      }
      page = run.end
    }
    return .done
  }

  /// After an mprotect that may have stopped half-way: lowers to none from the boundary before `run` to the
  /// boundary after it. There the kernel's mappings begin and end, so nothing is split and the call
  /// does not run into the limit, and levels and kernel agree again. For a lowering that is
  /// more than was asked, hence success. Pinned pages forbid it; then whoever holds the pages' lock bits
  /// repeats the change until it succeeds, and until then nobody else changes them.
  @inlinable
  func retreat(_ record: ViewRecord, _ levels: PageLevels, _ run: PageRun) -> Bool {
    let whole = PageRun(levels.boundary(atOrBelow: run.start), levels.boundary(atOrAbove: run.end))
    if isPinned(record, whole) { return false }
    let growth = levels.growth(whole, to: 0)
    if protect(record, whole, 0) != 0 { return false }
    levels.set(whole, to: 0)
    addBoundaries(growth)
    return true
  }

  /// 0 or errno.
  @inlinable
  func protect(_ record: ViewRecord, _ run: PageRun, _ level: UInt8) -> Int32 {
    counters.mprotectCalls.fetchAdd(1)
    // Never nil: a view does not lie at address 0. (`guard` as in `ViewRecord.levels`.)
    guard let at = UnsafeMutableRawPointer(bitPattern: record.address &+ (run.start << pageShift))
    else { return EFAULT }
    let flags = level == 0 ? PROT_NONE : level == 1 ? PROT_READ : PROT_READ | PROT_WRITE
    return cplatform_mprotect(at, (run.end &- run.start) << pageShift, flags) == 0 ? 0 : cplatform_errno()
  }

  @inlinable
  func isPinned(_ record: ViewRecord, _ run: PageRun) -> Bool {
    counters.pinnedPages.load() != 0
      && pins.containsAny(record.pages(run))
  }

  /// Counts `growth` boundaries more, unless that is over the budget.
  @inlinable
  func reserve(_ growth: Int, mayExceed: Bool) -> Bool {
    let before = counters.boundaries.fetchAdd(UInt64(growth))
    if mayExceed || before &+ UInt64(growth) <= counters.budget.loadRelaxed() { return true }
    addBoundaries(-growth)
    return false
  }

  @inlinable
  func addBoundaries(_ count: Int) { counters.boundaries.fetchAdd(UInt64(bitPattern: Int64(count))) }
}
