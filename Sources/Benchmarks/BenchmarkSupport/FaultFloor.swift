import CFaultFloor
import Synchronization

/// The least that a fetch on a page fault can cost here, measured in plain C; see CFaultFloor.h.
public enum FaultFloor {
  /// Whether the frames that pages are copied into have memory already.
  public enum Frames: Sendable {
    /// As at the first touch of a page.
    case empty
    /// As when a page is fetched again.
    case resident
    /// As at the first fetch into memory that a device has registered: it is there, and not in the page
    /// tables of the application's view.
    case unmapped

    var raw: cfaultfloor_frames_t {
      switch self {
      case .empty: CFAULTFLOOR_FRAMES_EMPTY
      case .resident: CFAULTFLOOR_FRAMES_RESIDENT
      case .unmapped: CFAULTFLOOR_FRAMES_UNMAPPED
      }
    }
  }

  /// What faults.
  public enum Access: Sendable {
    /// Loads of pages without access.
    case read
    /// Stores to pages without access.
    case write
    /// Stores to readable pages.
    case upgrade

    var raw: cfaultfloor_access_t {
      switch self {
      case .read: CFAULTFLOOR_ACCESS_READ
      case .write: CFAULTFLOOR_ACCESS_WRITE
      case .upgrade: CFAULTFLOOR_ACCESS_UPGRADE
      }
    }
  }

  /// Where the time of faults goes, in nanoseconds, an entry a fault.
  public struct Parts: Sendable {
    /// From before the access to the handler's first line.
    public var trap: [UInt64] = []
    /// The copy of the page.
    public var copy: [UInt64] = []
    /// The mprotect.
    public var protect: [UInt64] = []
    /// From the handler's last line to after the access.
    public var resume: [UInt64] = []

    /// No faults yet.
    public init() {}
  }

  /// Why the floor could not be measured.
  public struct Failure: Error, CustomStringConvertible {
    /// What failed: a system call, or a check of the program's own.
    public let call: String
    /// An errno.
    public let code: Int32

    /// A sentence.
    public var description: String {
      "could not measure the floor of a page fault: \(call) failed (errno \(code))."
    }
  }

  /// The times of one fault for each page, in nanoseconds, in the order of the reads.
  ///
  /// - Parameters:
  ///   - order: a permutation of the page numbers.
  ///   - pageByteCount: a multiple of the system's page size.
  ///   - copies: whether the handler copies the page.
  /// - Throws: `Failure`. It takes over SIGSEGV meanwhile; two threads that measure wait for one another.
  public static func measure(
    order: [UInt32], pageByteCount: Int, frames: Frames, access: Access = .read, copies: Bool = true
  ) throws(Failure) -> [UInt64] {
    let kind = cfaultfloor_kind_t(
      frames: frames.raw, access: access.raw, copies: copies ? 1 : 0, fetch: nil, context: nil, stamps: 0)
    return try times(order, pageByteCount, kind).map(\.total)
  }

  /// The times of such faults, resident frames and loads, where the handler calls `fetch` instead of copying.
  ///
  /// - Parameter fetch: runs in the signal handler, and may do there what the faulting load leaves free: it
  ///   is this program's own, and no lock is held at it.
  /// - Throws: as `measure`.
  public static func measure(
    order: [UInt32], pageByteCount: Int, fetch: @escaping () -> Void
  ) throws(Failure) -> [UInt64] {
    let context = Unmanaged.passRetained(Fetch(body: fetch))
    defer { context.release() }
    let kind = cfaultfloor_kind_t(
      frames: Frames.resident.raw, access: Access.read.raw, copies: 0,
      fetch: { context in
        // Retained by `measure`, which does not return before the last fault.
        if let context { Unmanaged<Fetch>.fromOpaque(context).takeUnretainedValue().body() }
      }, context: context.toOpaque(), stamps: 0)
    return try times(order, pageByteCount, kind).map(\.total)
  }

  private final class Fetch {
    let body: () -> Void
    init(body: @escaping () -> Void) { self.body = body }
  }

  /// The parts of such faults with resident frames. The looks at the clock in the handler are part of them.
  ///
  /// - Throws: as `measure`.
  public static func parts(order: [UInt32], pageByteCount: Int) throws(Failure) -> Parts {
    let kind = cfaultfloor_kind_t(
      frames: Frames.resident.raw, access: Access.read.raw, copies: 1, fetch: nil, context: nil, stamps: 1)
    var parts = Parts()
    for time in try times(order, pageByteCount, kind) {
      parts.trap.append(time.trap)
      parts.copy.append(time.copy)
      parts.protect.append(time.protect)
      parts.resume.append(time.resume)
    }
    return parts
  }

  /// A measurement takes over SIGSEGV. No fault and no `fetch` takes the lock.
  private static let oneAtATime = Mutex(())

  private static func times(
    _ order: [UInt32], _ pageByteCount: Int, _ kind: cfaultfloor_kind_t
  ) throws(Failure) -> [cfaultfloor_times_t] {
    var times = [cfaultfloor_times_t](repeating: cfaultfloor_times_t(), count: order.count)
    var failedCall: UnsafePointer<CChar>?
    var kind = kind
    let status = oneAtATime.withLock { _ in
      cfaultfloor_measure(order, order.count, pageByteCount, &kind, &times, &failedCall)
    }
    guard status == 0 else {
      throw Failure(call: failedCall.map { String(cString: $0) } ?? "", code: status)
    }
    return times
  }
}

/// The least that the local part of a release can cost here, in plain C.
public enum ReleaseFloor {
  /// Nanoseconds of making `pageCount` written pages read-only, and of comparing each with a copy that it
  /// equals: an entry a round.
  ///
  /// - Parameter stride: 1 for contiguous pages and one mprotect; else every stride-th page with one each.
  /// - Throws: `FaultFloor.Failure`.
  public static func measure(
    pageCount: Int, pageByteCount: Int, stride: Int, rounds: Int
  ) throws(FaultFloor.Failure) -> (protect: [UInt64], compare: [UInt64]) {
    var protect = [UInt64](repeating: 0, count: rounds)
    var compare = protect
    var failedCall: UnsafePointer<CChar>?
    let status = cfaultfloor_release(
      pageCount, pageByteCount, stride, rounds, &protect, &compare, &failedCall)
    guard status == 0 else {
      throw FaultFloor.Failure(call: failedCall.map { String(cString: $0) } ?? "", code: status)
    }
    return (protect, compare)
  }
}
