import CVerbs

/// Owns the memory of a chain of work requests, made once and used for many posts.
public struct SendBatch: ~Copyable, @unchecked Sendable {
  // The memory is reachable through this value only.
  private let slots: UnsafeMutablePointer<cverbs_send_slot>
  /// The requests. A copy of it is valid as long as the batch lives.
  public var chain: SendChain

  /// An empty batch for up to `capacity` requests.
  public init(capacity: Int) {
    precondition(capacity > 0, "a batch holds at least one work request")
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: cverbs_send_slot(), count: capacity)
    chain = SendChain(slots, capacity: capacity)
  }

  deinit { slots.deallocate() }
}

/// A post that the provider refused. Requests before `postedCount` were posted and will complete; the others
/// were not. Trivially copyable. `RawQueuePair.post` answers with the same without throwing.
@frozen
public struct PostError: Error, BitwiseCopyable, Sendable, CustomStringConvertible {
  /// The provider's errno.
  public let code: Int32
  /// How many requests of the chain were posted.
  public let postedCount: Int

  /// An error as its parts.
  @inlinable
  public init(code: Int32, postedCount: Int) {
    self.code = code
    self.postedCount = postedCount
  }

  /// One sentence with the usual cause.
  public var description: String {
    let cause =
      switch code {
      case ENOMEM: "; the queue is full: poll completions of signalled requests first"
      case EINVAL:
        "; the queue pair is not ready to send, or a request is malformed (an inline length above the limit, "
          + "an operation that the device does not have)"
      case ENOTCONN: "; it has no queue pair yet"
      default: ""
      }
    return "ibv_post_send refused the work request after \(postedCount) posted ones: "
      + "\(String(cString: strerror(code))) (errno \(code))\(cause)."
  }
}
