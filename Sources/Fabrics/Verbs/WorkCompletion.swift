public import CVerbs

/// The end of a work request, as the device reports it. Trivially copyable.
@frozen
public struct WorkCompletion: BitwiseCopyable, @unchecked Sendable {
  /// The C structure `ibv_wc` in other words.
  public var raw: cverbs_completion

  /// An empty completion, to be filled.
  @inlinable
  public init() { raw = cverbs_completion() }

  /// The number that the request was posted with.
  @inlinable public var id: UInt64 { raw.id }
  /// How it ended.
  @inlinable public var status: CompletionStatus { CompletionStatus(rawValue: raw.status) }
  /// What it was. Not valid where `status` is an error.
  @inlinable public var operation: Operation { Operation(rawValue: raw.operation) }
  /// Bytes that came in. Valid for receives, READs and atomics that succeeded.
  @inlinable public var byteCount: Int { Int(raw.byte_count) }
  /// The number of the queue pair that it was posted to.
  @inlinable public var queuePairNumber: UInt32 { raw.pair_number }
  /// The device's own code of an error.
  @inlinable public var vendorCode: UInt32 { raw.vendor_code }

  /// The four bytes that came with a message, nil where none did.
  @inlinable public var immediate: UInt32? {
    raw.flags & 2 == 0 ? nil : UInt32(bigEndian: raw.immediate)
  }

  /// What kind of request ended.
  @frozen
  public struct Operation: OpenEnumeration, BitwiseCopyable {
    /// The value of `enum ibv_wc_opcode`.
    public let rawValue: UInt32
    /// Any value, known or not.
    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A SEND.
    @inlinable public static var send: Operation { Operation(rawValue: 0) }
    /// A WRITE.
    @inlinable public static var write: Operation { Operation(rawValue: 1) }
    /// A READ.
    @inlinable public static var read: Operation { Operation(rawValue: 2) }
    /// A compare-and-swap.
    @inlinable public static var compareAndSwap: Operation { Operation(rawValue: 3) }
    /// A fetch-and-add.
    @inlinable public static var fetchAdd: Operation { Operation(rawValue: 4) }
    /// A receive, of a SEND.
    @inlinable public static var receive: Operation { Operation(rawValue: 128) }
    /// A receive, of a WRITE with immediate data.
    @inlinable public static var receiveOfWrite: Operation { Operation(rawValue: 129) }

    /// Names by raw value; the receives stand apart.
    public static let names: [StaticString] = ["SEND", "WRITE", "READ", "compare-and-swap", "fetch-and-add"]

    /// The operation's name, or "unknown (N)".
    public var description: String {
      switch rawValue {
      case 128: "receive"
      case 129: "receive of a WRITE"
      default: Int(rawValue) < Self.names.count ? "\(Self.names[Int(rawValue)])" : "unknown (\(rawValue))"
      }
    }
  }

  /// The failure as an error that explains itself; nil for success. Allocates: for reports.
  public var error: VerbsError? {
    if status == .success { return nil }
    return VerbsError(
      "ibv_poll_cq", on: "work request \(id) of queue pair \(queuePairNumber)",
      .completion(status, vendorCode: vendorCode))
  }
}
