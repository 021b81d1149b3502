import Coherence
import Platform

/// One of the table's two snapshots: the views, sorted by virtual address and again by global address.
@frozen
@usableFromInline
struct TableSnapshot: BitwiseCopyable, @unchecked Sendable {
  @frozen
  @usableFromInline
  enum Order: BitwiseCopyable {
    case byAddress, byGlobal

    /// By hand: the synthesised comparison is not inlinable, which the handler's check refuses.
    @inlinable
    static func == (a: Order, b: Order) -> Bool {
      switch (a, b) {
      case (.byAddress, .byAddress), (.byGlobal, .byGlobal): return true
      default: return false
      }
    }
  }

  @usableFromInline let base: UnsafeMutableRawPointer
  @usableFromInline let capacity: Int

  @inlinable
  init(_ base: UnsafeMutableRawPointer, capacity: Int) {
    self.base = base
    self.capacity = capacity
  }

  /// Clamped: a torn snapshot's count must not lead out of the arrays.
  @inlinable
  var count: Int {
    let count = AtomicWord(base).loadRelaxed()
    return count > UInt64(capacity) ? capacity : Int(count)
  }

  @inlinable func setCount(_ count: Int) { AtomicWord(base).storeRelaxed(UInt64(count)) }

  @inlinable
  func entry(_ index: Int, _ order: Order) -> TableEntry {
    let position = order == .byAddress ? index : capacity &+ index
    return TableEntry(base + (64 &+ position &* TableEntry.byteCount))
  }

  /// Entries whose key (virtual or global start) is at most `key`; they are the first ones.
  @inlinable
  func countStarting(atOrBelow key: UInt64, _ order: Order) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low &+ high) >> 1
      let entry = entry(middle, order)
      let start = order == .byAddress ? entry.address.loadRelaxed() : entry.globalStart.loadRelaxed()
      if start <= key { low = middle &+ 1 } else { high = middle }
    }
    return low
  }

  func position(of view: ViewID, _ order: Order) -> Int? {
    (0..<count).first { entry($0, order).identity.loadRelaxed() >> 2 == UInt64(view.number) }
  }

  func copy(_ range: Range<Int>, of other: TableSnapshot, _ order: Order, to start: Int) {
    var target = start
    for index in range {
      let from = other.entry(index, order)
      let to = entry(target, order)
      to.address.storeRelaxed(from.address.loadRelaxed())
      to.globalStart.storeRelaxed(from.globalStart.loadRelaxed())
      to.globalEnd.storeRelaxed(from.globalEnd.loadRelaxed())
      to.identity.storeRelaxed(from.identity.loadRelaxed())
      target += 1
    }
  }

  func setReaches() {
    var reach: UInt64 = 0
    for index in 0..<count {
      let entry = entry(index, .byGlobal)
      reach = max(reach, entry.globalEnd.loadRelaxed())
      entry.reach.storeRelaxed(reach)
    }
  }
}

/// A view in a snapshot: five words, each read and written atomically, together valid only under the
/// version check of `TranslationTable`.
@frozen
@usableFromInline
struct TableEntry: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable init(_ base: UnsafeMutableRawPointer) { self.base = base }

  @inlinable static var byteCount: Int { 48 }

  @inlinable var address: AtomicWord { AtomicWord(base) }
  @inlinable var globalStart: AtomicWord { AtomicWord(base + 8) }
  @inlinable var globalEnd: AtomicWord { AtomicWord(base + 16) }
  /// View and limit: `view << 2 | limit`.
  @inlinable var identity: AtomicWord { AtomicWord(base + 24) }
  /// In global order: the largest `globalEnd` of this and all earlier entries, so that a search backwards
  /// knows where to stop although views overlap.
  @inlinable var reach: AtomicWord { AtomicWord(base + 32) }

  @inlinable
  func load() -> ViewExtent {
    let word = identity.loadRelaxed()
    let start = Int(truncatingIfNeeded: globalStart.loadRelaxed())
    return ViewExtent(
      view: ViewID(Int(truncatingIfNeeded: word >> 2)),
      address: UInt(truncatingIfNeeded: address.loadRelaxed()),
      globalStart: start, byteCount: Int(truncatingIfNeeded: globalEnd.loadRelaxed()) &- start,
      limit: Access(rawValue: UInt8(word & 3)) ?? .none)
  }

  func store(_ extent: ViewExtent) {
    address.storeRelaxed(UInt64(extent.address))
    globalStart.storeRelaxed(UInt64(extent.globalStart))
    globalEnd.storeRelaxed(UInt64(extent.globalRange.upperBound))
    identity.storeRelaxed(UInt64(extent.view.number) << 2 | UInt64(extent.limit.rawValue))
  }
}
