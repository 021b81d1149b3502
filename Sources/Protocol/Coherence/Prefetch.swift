import Fabric
import Platform

extension Engine {
  /// Brings copies of `range` in through `view`, many READs in flight together. A hint: pages being
  /// fetched by others, written here, or that nobody has written, are passed over.
  @inlinable
  public func prefetch(_ range: Range<Int>, view: ViewID) throws(EngineError) {
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

  /// One window of up to `readAheadLimit` units; returns where the next begins.
  @inlinable
  func prefetchWindow(
    from page: Int, to end: Int, _ view: ViewID, _ w: Workspace
  ) throws(EngineError) -> Int {
    let unit = pages.unit(containing: page)
    let old = pages.load(unit.page)
    guard old.state == .invalid, !old.isLocked, let shape = pages.shape(of: page) else {
      return unit.pages.upperBound
    }
    guard case .some = attempt(.beginFetch, unit.page, from: old) else { return page }
    execution.interleave(#line)
    pages.cached.insertIfAbsent(unit.page)
    touch(unit.page)
    let longest = max(configuration.readAheadLimit, 1) * unit.count
    let windowEnd = clip(min(end, unit.page + longest), unit, shape)
    try bringIn(unit, .read, ahead: unit.pages.upperBound..<windowEnd, view, w)
    return windowEnd
  }
}
