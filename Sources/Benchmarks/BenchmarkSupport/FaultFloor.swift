import CFaultFloor

/// The least that a fetch on a page fault can cost here, measured in plain C; see CFaultFloor.h.
public enum FaultFloor {
  /// Whether the frames that pages are copied into have memory already.
  public enum Frames: Sendable {
    /// As at the first touch of a page.
    case empty
    /// As when a page is fetched again.
    case resident
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
  /// - Throws: `Failure`. Not to be called by two threads at once: it takes over SIGSEGV meanwhile.
  public static func measure(
    order: [UInt32], pageByteCount: Int, frames: Frames
  ) throws(Failure) -> [UInt64] {
    var nanoseconds = [UInt64](repeating: 0, count: order.count)
    var failedCall: UnsafePointer<CChar>?
    let kind = frames == .empty ? CFAULTFLOOR_FRAMES_EMPTY : CFAULTFLOOR_FRAMES_RESIDENT
    let status = cfaultfloor_measure(
      order, order.count, pageByteCount, kind, &nanoseconds, &failedCall)
    guard status == 0 else {
      throw Failure(call: failedCall.map { String(cString: $0) } ?? "", code: status)
    }
    return nanoseconds
  }
}
