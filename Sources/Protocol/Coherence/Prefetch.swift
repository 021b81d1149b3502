import Fabric
import Platform

extension Engine {
  /// Brings copies of `range` in through `view`, many READs in flight together. A hint: pages being
  /// fetched by others, written here, or that nobody has written, are passed over.
  @inlinable
  public func prefetch(_ range: PageRange, view: ViewID) throws(EngineError) {
    try checkPeers()
    var page = range.lowerBound
    while page < range.upperBound {
      let saved = execution.enterCritical()
      defer { execution.leaveCritical(saved) }
      try enterGate()
      defer { leaveGate() }
      let w = takeWorkspace()
      defer { giveBack(w) }
      page = try prefetchWindow(from: page, to: range.upperBound, view, w)
    }
  }

  /// One window of as many units as `Configuration.prefetch` allows, of one at least; returns where the next
  /// begins.
  @inlinable
  func prefetchWindow(
    from page: Page, to end: Page, _ view: ViewID, _ w: Workspace<E.W>
  ) throws(EngineError) -> Page {
    let unit = pages.unit(containing: page)
    let old = pages.load(unit.page)
    guard old.state == .invalid, !old.isLocked, let shape = pages.shape(of: page) else {
      return unit.pages.upperBound
    }
    guard case .some = attempt(.beginFetch, unit.page, from: old) else { return page }
    execution.interleave(#line)
    pages.cached.insertIfAbsent(unit.page)
    touch(unit.page)
    let longest = max(configuration.prefetch.unitCount(byteCount(unit)), 1)
    let windowEnd = clip(.min(end, unit.page + longest * unit.count), unit, shape)
    let ahead = unit.pages.upperBound..<windowEnd
    try bringIn(unit, .read, forWriting: false, ahead: ahead, view, w)
    // The homes of a block are looked up together, if that of its first unit here had to be.
    let lookedUp = old.home < 0 ? .min(ControlLayout.blockEnd(unit.page), windowEnd) : ahead.lowerBound
    return firstLeftOut(of: ahead, unit, lookedUp: lookedUp)
  }

  /// A window takes along what costs no further round trip; here the next one begins with what it has left
  /// out: a unit whose home was not looked up, or whose home's key is not known. The end where there is none.
  @inlinable
  func firstLeftOut(of ahead: PageRange, _ unit: Unit, lookedUp: Page) -> Page {
    for page in ahead.by(unit.count) {
      let word = pages.load(page)
      if word.state == .invalid, word.home >= 0 || page >= lookedUp { return page }
    }
    return ahead.upperBound
  }
}
