import CPlatform
import Coherence
import Platform
import Synchronization

// Changes of the table: outside handlers only, one at a time.

extension TranslationTable {
  enum Insertion: Equatable { case done, full, overlaps(ViewExtent) }

  /// A view that has an address of `range`, nil where there is none.
  func extent(overlapping range: Range<UInt>) -> ViewExtent? {
    while true {
      let version = published.load()
      let snapshot = snapshot(version)
      // Views share no address, so the last one that begins below the end reaches furthest.
      let position = snapshot.countStarting(atOrBelow: UInt64(range.upperBound) - 1, .byAddress)
      let entry = position == 0 ? nil : snapshot.entry(position - 1, .byAddress).load()
      guard isIntact(version) else { continue }
      guard let entry, entry.addressRange.overlaps(range) else { return nil }
      return entry
    }
  }

  /// Adds a view; refused where its addresses overlap those of another one.
  func insert(_ extent: ViewExtent) -> Insertion {
    changing {
      if let other = self.extent(overlapping: extent.addressRange) { return .overlaps(other) }
      let now = snapshot(published.loadRelaxed())
      if now.count == capacity { return .full }
      publish(count: now.count + 1) { next in
        for order in [TableSnapshot.Order.byAddress, .byGlobal] {
          let key = order == .byAddress ? UInt64(extent.address) : UInt64(extent.globalStart)
          let position = now.countStarting(atOrBelow: key, order)
          next.copy(0..<position, of: now, order, to: 0)
          next.entry(position, order).store(extent)
          next.copy(position..<now.count, of: now, order, to: position + 1)
        }
      }
      return .done
    }
  }

  /// Takes a view out: look-ups that begin after the return do not find it. False where it was not there.
  func remove(_ view: ViewID) -> Bool {
    changing {
      let now = snapshot(published.loadRelaxed())
      guard let first = now.position(of: view, .byAddress), let second = now.position(of: view, .byGlobal)
      else { return false }
      publish(count: now.count - 1) { next in
        for (position, order) in [(first, TableSnapshot.Order.byAddress), (second, .byGlobal)] {
          next.copy(0..<position, of: now, order, to: 0)
          next.copy(position + 1..<now.count, of: now, order, to: position)
        }
      }
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

  /// Runs `body` under the table's lock, with signals blocked: a handler of this thread that faults must not
  /// find the lock held. (Look-ups would not mind; a second change would.)
  private func changing<Result>(_ body: () -> Result) -> Result {
    let saved = cplatform_block_signals()
    defer { cplatform_restore_signals(saved) }
    acquireSpinLock(lock)
    defer { releaseSpinLock(lock) }
    return body()
  }

  /// Lets `fill` write the next version into the snapshot that no look-up is sent to, and publishes it.
  private func publish(count: Int, _ fill: (TableSnapshot) -> Void) {
    let version = published.loadRelaxed() + 1
    building.storeRelaxed(version)
    // Pairs with the acquire fence of isIntact: no store below is seen without the one above.
    atomicMemoryFence(ordering: .releasing)
    let next = snapshot(version)
    fill(next)
    next.setCount(count)
    next.setReaches()
    // Release: pairs with the acquire load of look-ups.
    published.store(version)
  }
}
