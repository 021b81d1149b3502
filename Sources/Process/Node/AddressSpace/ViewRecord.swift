import Coherence
import Platform

/// What `ViewProtection` keeps of a view, in raw memory; 128 bytes, so that the locks of two views never
/// share a cache line. All fields but `identity` are read and changed only under `lock`.
@frozen
@usableFromInline
struct ViewRecord: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable init(_ base: UnsafeMutableRawPointer) { self.base = base }

  @inlinable static var byteCount: Int { 128 }

  /// A spin lock; taken with signals blocked. mprotect is called while it is held, so that what the levels
  /// say and what the kernel does never part, and no call hits addresses that a detach gave back.
  @inlinable var lock: AtomicWord { AtomicWord(base) }
  /// The view's id plus one; 0 while the record is free. Ids are never used twice, so a thread that
  /// looked up a view which is detached meanwhile finds another id here and does nothing.
  @inlinable var identity: AtomicWord { AtomicWord(base + 8) }

  /// Words that change only while the record is free.
  @frozen @usableFromInline
  enum Field: Int {
    case address = 16
    case firstPage = 24
    case pageCount = 32
    case limit = 40
    case levels = 48
  }

  @inlinable func load(_ field: Field) -> Int { base.load(fromByteOffset: field.rawValue, as: Int.self) }
  func set(_ field: Field, _ value: Int) {
    base.storeBytes(of: value, toByteOffset: field.rawValue, as: Int.self)
  }

  @inlinable var address: Int { load(.address) }
  @inlinable var firstPage: Page { Page(load(.firstPage)) }
  /// The global pages that pages `run` of the view show.
  @inlinable
  func pages(_ run: PageRun) -> PageRange { firstPage + run.start..<firstPage + run.end }
  @inlinable var pageCount: Int { load(.pageCount) }
  @inlinable var limit: UInt8 { UInt8(truncatingIfNeeded: load(.limit)) }

  @inlinable
  var levels: PageLevels {
    // Never nil: set together with `identity`, under the lock. (Loaded as an integer and unwrapped by
    // `guard`: for an optional type, or `unsafelyUnwrapped`, a debug build makes type metadata in the signal
    // handler.)
    guard let memory = UnsafeMutableRawPointer(bitPattern: load(.levels))
    else { return PageLevels(base, count: 0) }
    return PageLevels(memory, count: pageCount)
  }

  func fill(_ extent: ViewExtent, firstPage: Page, pageCount: Int, levels: UnsafeMutableRawPointer) {
    set(.address, Int(bitPattern: extent.address))
    set(.firstPage, firstPage.number)
    set(.pageCount, pageCount)
    set(.limit, Int(extent.limit.rawValue))
    set(.levels, Int(bitPattern: levels))
  }
}

/// Counters and the coarsening's state, one for the process. Each of the two groups that many threads
/// write has cache lines of its own.
@frozen
@usableFromInline
struct ProtectionCounters: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable init(_ base: UnsafeMutableRawPointer) { self.base = base }

  @inlinable static var byteCount: Int { 512 }

  /// Protection boundaries in all views.
  @inlinable var boundaries: AtomicWord { AtomicWord(base) }
  @inlinable var mprotectCalls: AtomicWord { AtomicWord(base + 8) }
  /// The most boundaries that there should be.
  @inlinable var budget: AtomicWord { AtomicWord(base + 128) }
  /// Records that have ever been used: no higher one is.
  @inlinable var recordCount: AtomicWord { AtomicWord(base + 136) }
  /// Pages pinned now, so that without any nobody looks at the bits.
  @inlinable var pinnedPages: AtomicWord { AtomicWord(base + 144) }
  /// errno of a change of protection that could not be made at all; 0 for none.
  @inlinable var failure: AtomicWord { AtomicWord(base + 152) }
  /// Spin lock of the coarsening; taken before any view's lock, never while one is held.
  @inlinable var coarseningLock: AtomicWord { AtomicWord(base + 256) }
  /// Times that room was made.
  @inlinable var coarsenings: AtomicWord { AtomicWord(base + 264) }
  /// Where the next search begins: record and page. Under `coarseningLock`.
  @inlinable var handRecord: AtomicWord { AtomicWord(base + 272) }
  @inlinable var handPage: AtomicWord { AtomicWord(base + 280) }
}
