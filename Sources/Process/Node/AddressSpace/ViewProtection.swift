import CPlatform
import Coherence
import Platform

/// Sets by mprotect what the application may do with pages, in every view of them.
///
/// Each view keeps what it allows on each page, so that nothing is called where nothing changes,
/// neighbouring pages are changed by one call, and the number of protection boundaries, each of which
/// costs the kernel a mapping, is known. Before it exceeds the budget (half of
/// vm.max_map_count unless said otherwise), and when mprotect says ENOMEM, pages elsewhere are lowered to
/// none, which merges mappings (`ViewProtection+Coarsening.swift`).
///
/// `lower` and `raise` are async-signal-safe and are called with signals blocked. Where they could not do
/// what was asked at all, `failureCode` says so: a raise, when the application uses up the kernel's
/// mappings by itself; a lowering only when somebody unmapped a part of a view behind our back.
///
/// A handful of raw pointers; `SharedAddressSpace`, which makes it, outlives every copy.
@frozen
public struct ViewProtection: Protection, BitwiseCopyable, @unchecked Sendable {
  public let translation: TranslationTable
  @usableFromInline let records: UnsafeMutableRawPointer
  @usableFromInline let counters: ProtectionCounters
  @usableFromInline let pins: PinSet
  @usableFromInline let pageShift: Int
  @usableFromInline let descriptor: Int32

  init(
    translation: TranslationTable, records: UnsafeMutableRawPointer, counters: ProtectionCounters,
    pins: PinSet, pageShift: Int, descriptor: Int32
  ) {
    self.translation = translation
    self.records = records
    self.counters = counters
    self.pins = pins
    self.pageShift = pageShift
    self.descriptor = descriptor
  }

  /// The low bits of a view's id are the number of its record, the others count the views attached.
  @inlinable static var recordBits: Int { 16 }

  @inlinable
  func record(_ index: Int) -> ViewRecord { ViewRecord(records + index &* ViewRecord.byteCount) }

  @inlinable
  func record(of view: ViewID) -> ViewRecord { record(view.recordIndex) }

  /// The bytes of the global address space that the pages are.
  @inlinable
  func bytes(of pages: PageRange) -> Range<Int> {
    Range(uncheckedBounds: (pages.lowerBound.number << pageShift, pages.upperBound.number << pageShift))
  }

  /// A view that is attached meanwhile may be missed: none of its pages was ever raised. One in which
  /// these pages were raised is found: whoever raised them had looked the view up, and held their
  /// units' lock bits before the caller took them, so this thread sees at least that version of the table.
  @inlinable
  public func lower(_ pages: PageRange, to access: Access) {
    var cursor = OverlapCursor(translation, overlapping: bytes(of: pages))
    while true {
      let view = cursor.next()
      if view < 0 { return }
      change(pages, to: access.rawValue, in: view, raising: false)
    }
  }

  @inlinable
  public func raise(_ pages: PageRange, to access: Access, in view: ViewID) {
    change(pages, to: access.rawValue, in: view, raising: true)
  }

  /// errno of a change of protection that failed for good, 0 as long as there was none. Whoever serves a
  /// fault looks at it when the engine is done, or the access faults for ever.
  @inlinable public var failureCode: Int32 { Int32(truncatingIfNeeded: counters.failure.load()) }

  /// Protection boundaries in all views: with one mapping for each view, the mappings that they cost.
  public var boundaryCount: Int { Int(counters.boundaries.load()) }
  /// The most that `boundaryCount` is meant to reach.
  public var boundaryBudget: Int { Int(counters.budget.load()) }
  /// Calls of mprotect so far.
  public var mprotectCallCount: Int { Int(counters.mprotectCalls.load()) }
  /// Times that pages were lowered to make room, so far.
  public var coarseningCount: Int { Int(counters.coarsenings.load()) }

  public func setPinned(_ pages: PageRange, _ pinned: Bool) {
    let changed = pins.set(pages, pinned)
    counters.pinnedPages.fetchAdd(UInt64(bitPattern: Int64(pinned ? changed : -changed)))
    guard pinned else { return }
    // A coarsening that looked at the bits before they were set is over once its view's lock was free; one
    // that takes the lock later sees them.
    var cursor = OverlapCursor(translation, overlapping: bytes(of: pages))
    while true {
      let view = cursor.next()
      if view < 0 { return }
      acquireSpinLock(record(of: view).lock)
      releaseSpinLock(record(of: view).lock)
    }
  }

  public func discardFrames(_ pages: PageRange) {
    guard !pages.isEmpty else { return }
    let result = cplatform_punch_hole(
      descriptor, Int64(bytes(of: pages).lowerBound), Int64(bytes(of: pages).count))
    if result != 0 { reportFailure(cplatform_errno()) }
  }

  @inlinable
  func reportFailure(_ code: Int32) {
    _ = counters.failure.compareExchange(0, UInt64(UInt32(bitPattern: code)))
  }
}

extension Ordinal where Kind == ViewKind {
  /// The number of its record.
  @inlinable var recordIndex: Int { number & ((1 << ViewProtection.recordBits) &- 1) }
  /// What the record says while it is this view's.
  @inlinable var identity: UInt64 { UInt64(truncatingIfNeeded: number) &+ 1 }
}
