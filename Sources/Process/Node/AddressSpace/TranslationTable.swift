import CPlatform
import Coherence
import Platform
import Synchronization

/// What a virtual address of a view stands for.
@frozen
public struct Translation: BitwiseCopyable, Sendable, Equatable {
  public let view: ViewID
  /// The address in the global address space, in bytes.
  public let globalOffset: Int
  /// The most that the view allows.
  public let limit: Access

  @inlinable
  init(view: ViewID, globalOffset: Int, limit: Access) {
    self.view = view
    self.globalOffset = globalOffset
    self.limit = limit
  }
}

/// A view as the table knows it: a range of virtual addresses and the global addresses that it shows.
@frozen
public struct ViewExtent: BitwiseCopyable, Sendable, Equatable {
  public let view: ViewID
  public let address: UInt
  /// The first global address that it shows, in bytes.
  public let globalStart: Int
  public let byteCount: Int
  public let limit: Access

  @inlinable
  init(view: ViewID, address: UInt, globalStart: Int, byteCount: Int, limit: Access) {
    self.view = view
    self.address = address
    self.globalStart = globalStart
    self.byteCount = byteCount
    self.limit = limit
  }

  public var addressRange: Range<UInt> { address..<address + UInt(byteCount) }
  /// Bytes of the global address space.
  public var globalRange: Range<Int> { globalStart..<globalStart + byteCount }
}

/// The per-process virtual-to-global address translation table: the views of this process, looked up by
/// virtual address (which page does this fault mean?) and by global address (which views show this page?).
///
/// **Look-ups are lock-free and async-signal-safe.** There are two snapshots, each with the views in both
/// orders; version v of the table is in snapshot v mod 2 (Linux's `seqcount_latch`). A change builds version
/// v+1 in the snapshot that nobody is sent to, then publishes it. A look-up reads the snapshot of the
/// published version and then makes sure that nobody has begun to build version v+2, which would overwrite
/// what it read; if so it starts over. So a look-up never waits for a thread that is half-way through a
/// change and was preempted there, it repeats only when a whole change was made meanwhile, and it leaves
/// nothing behind (no reader count, no hazard): a handler may be left by siglongjmp. Nothing is ever
/// reclaimed. All words of the snapshots are read and written atomically; what a reader makes of a torn
/// snapshot stays within the bounds of the arrays.
///
/// A handful of raw pointers; the memory (`byteCount` zero bytes) outlives every copy.
@frozen
public struct TranslationTable: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  /// The most views that the table holds.
  public let capacity: Int

  static func byteCount(capacity: Int) -> Int { headerByteCount + 2 * snapshotByteCount(capacity) }

  init(_ memory: UnsafeMutableRawPointer, capacity: Int) {
    base = memory
    self.capacity = capacity
  }

  /// Version that look-ups read.
  @inlinable var published: AtomicWord { AtomicWord(base) }
  /// Version that is being built, or was last.
  @inlinable var building: AtomicWord { AtomicWord(base + 8) }
  @inlinable var lock: AtomicWord { AtomicWord(base + 64) }

  @inlinable static var headerByteCount: Int { 128 }

  @inlinable
  static func snapshotByteCount(_ capacity: Int) -> Int { 64 &+ capacity &* (2 &* TableEntry.byteCount) }

  @inlinable
  func snapshot(_ version: UInt64) -> TableSnapshot {
    let index = Int(truncatingIfNeeded: version & 1)
    return TableSnapshot(
      base + (Self.headerByteCount &+ index &* Self.snapshotByteCount(capacity)), capacity: capacity)
  }

  /// Whether what was read of `version`'s snapshot was the snapshot of that version.
  @inlinable
  func isIntact(_ version: UInt64) -> Bool {
    // Acquire fence: pairs with the release fence between a change's store to `building` and its stores
    // to the snapshot. Whoever read one of those stores sees that `building` here.
    atomicMemoryFence(ordering: .acquiring)
    return building.loadRelaxed() < version &+ 2
  }

  /// The view at `address`, nil where there is none. Async-signal-safe.
  @inlinable
  public func extent(containing address: UInt) -> ViewExtent? {
    while true {
      // Acquire: pairs with the release store that published the version.
      let version = published.load()
      let snapshot = snapshot(version)
      let position = snapshot.countStarting(atOrBelow: UInt64(address), .byAddress)
      let entry = position == 0 ? nil : snapshot.entry(position &- 1, .byAddress).load()
      guard isIntact(version) else { continue }
      guard let entry, address &- entry.address < UInt(bitPattern: entry.byteCount) else { return nil }
      return entry
    }
  }

  /// What `address` stands for, nil outside all views. Async-signal-safe.
  @inlinable
  public func lookup(_ address: UInt) -> Translation? {
    guard let extent = extent(containing: address) else { return nil }
    return Translation(
      view: extent.view,
      globalOffset: extent.globalStart &+ Int(bitPattern: address &- extent.address),
      limit: extent.limit)
  }

  /// Views attached now.
  public var count: Int {
    while true {
      let version = published.load()
      let count = snapshot(version).count
      if isIntact(version) { return count }
    }
  }
}
