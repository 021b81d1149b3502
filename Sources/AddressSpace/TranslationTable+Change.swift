import CPlatform
import Coherence
import Platform
import Synchronization

// Changes of the table: outside handlers only, one at a time.

extension TranslationTable {
  enum Insertion: Equatable { case done, full, overlaps(ViewExtent) }

  /// Adds a view; refused where its addresses overlap those of another one.
  func insert(_ extent: ViewExtent) -> Insertion {
    change { views in
      if views.count == capacity { return .full }
      if let other = views.first(where: { $0.addressRange.overlaps(extent.addressRange) }) {
        return .overlaps(other)
      }
      views.append(extent)
      return .done
    }
  }

  /// Takes a view out: look-ups that begin after the return do not find it. False where it was not there.
  func remove(_ view: ViewID) -> Bool {
    change { views in
      guard let index = views.firstIndex(where: { $0.view == view }) else { return false }
      views.remove(at: index)
      return true
    }
  }

  /// The views, by virtual address.
  public func extents() -> [ViewExtent] {
    while true {
      let version = published.load()
      let snapshot = snapshot(version)
      let found = (0..<snapshot.count).map { snapshot.entry($0, .byAddress).load() }
      if isIntact(version) { return found }
    }
  }

  /// Runs `body` on a copy of the views and publishes what it makes of them. Under the table's lock, with
  /// signals blocked: a handler of this thread that faults must not find the lock held, and the
  /// thread must not be left by a longjmp. (Look-ups would not mind; a second change would.)
  private func change<Result>(_ body: (inout [ViewExtent]) -> Result) -> Result {
    let saved = cplatform_block_signals()
    defer { cplatform_restore_signals(saved) }
    acquireSpinLock(lock)
    defer { releaseSpinLock(lock) }
    let before = extents()
    var views = before
    let result = body(&views)
    if views != before { publish(views) }
    return result
  }

  private func publish(_ views: [ViewExtent]) {
    let version = published.loadRelaxed() + 1
    building.storeRelaxed(version)
    // Pairs with the acquire fence of isIntact: no store below is seen without the one above.
    atomicMemoryFence(ordering: .releasing)
    let snapshot = snapshot(version)
    for (index, view) in views.sorted(by: { $0.address < $1.address }).enumerated() {
      snapshot.entry(index, .byAddress).store(view)
    }
    var reach = 0
    let byGlobal = views.sorted { $0.globalStart < $1.globalStart }
    for (index, view) in byGlobal.enumerated() {
      reach = max(reach, view.globalRange.upperBound)
      let entry = snapshot.entry(index, .byGlobal)
      entry.store(view)
      entry.reach.storeRelaxed(UInt64(reach))
    }
    snapshot.setCount(views.count)
    // Release: pairs with the acquire load of look-ups.
    published.store(version)
  }
}
