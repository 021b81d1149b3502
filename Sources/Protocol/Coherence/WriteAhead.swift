import Fabric
import Platform

// Write faults in order take the pages behind along, as read faults do: those that are here, and that this
// node can make writable without asking anybody. Else a program that writes a megabyte has 256 faults for it.

extension Engine {
  /// The pages behind `unit`, which was written first, that are worth making writable with it.
  @inlinable
  func writeAhead(_ unit: Unit) -> PageRange {
    let longest = min(configuration.writeAhead.unitCount(byteCount(unit)), WindowLimit.longestUnitCount - 1)
    guard longest > 0, configuration.mechanisms.contains(.writeAhead), let shape = pages.shape(of: unit.page)
    else { return unit.pages.upperBound..<unit.pages.upperBound }
    return inOrder(unit, .readWrite, least: 2, longest: longest, shape)
  }

  /// The same of a unit that is being fetched for writing. One whose home is not known is claimed with its
  /// neighbours.
  @inlinable
  func fetchAhead(_ unit: Unit, _ word: PageWord) -> PageRange {
    word.home >= 0 ? writeAhead(unit) : unit.pages.upperBound..<unit.pages.upperBound
  }

  /// Makes neighbours writable that are in the same state as `unit` was: copies get their twins, pages at
  /// home that nobody has fetched become exclusive. By trying: the thread holds the lock bit of `unit`.
  @inlinable
  func makeWritable(_ ahead: PageRange, behind unit: Unit, was state: PageState, _ view: ViewID) {
    var run = ahead.lowerBound..<ahead.lowerBound
    for page in ahead.by(unit.count) {
      let next = Unit(page: page, count: unit.count)
      if makeWritable(next, was: state) {
        if run.isEmpty { run = page..<page }
        run = run.lowerBound..<next.pages.upperBound
      } else {
        raiseRun(run, unit, view)
        run = page..<page
      }
    }
    raiseRun(run, unit, view)
  }

  /// True where it is writable now: its lock bit is held.
  @inlinable
  func makeWritable(_ unit: Unit, was state: PageState) -> Bool {
    let word = pages.load(unit.page)
    guard word.state == state, word.home >= 0, !word.isLocked, !word.isPinned else { return false }
    if state == .homeTracked, !isAlone, !word.isNoticed || mark(unit.page).load() != 0 { return false }
    guard case .some(let new) = attempt(.take, unit.page, from: word) else { return false }
    execution.interleave(#line)
    var held = HeldUnit(unit, new)
    if state == .clean {
      makeTwin(&held)
      store(&held)
      return true
    }
    // Fetched meanwhile: as it was.
    let isExclusive = becomeExclusive(&held)
    if !isExclusive && held.word.state == .homeExclusive { step(.becomeHomeDirty, &held) }
    if held.word.state == .homeDirty { pages.dirty.insert(unit.page) }
    store(&held)
    if held.word.state == .homeTracked {
      giveBack(held)
      return false
    }
    return true
  }

  @inlinable
  func raiseRun(_ run: PageRange, _ unit: Unit, _ view: ViewID) {
    if run.isEmpty { return }
    raiseFetched(run, .readWrite, view)
    for page in run.by(unit.count) { unlock(Unit(page: page, count: unit.count)) }
  }
}
