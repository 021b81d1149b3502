public import CVerbs

/// A queue pair without ownership, trivially copyable: posting costs no reference counts and allocates
/// nothing. Whoever uses it keeps the owner (`QueuePair` or `CommunicationIdentifier`) alive meanwhile.
///
/// Several threads may post at once; the provider's lock orders them. That lock is a spin lock that a signal
/// handler must not meet half-taken: who posts in a handler blocks the signal wherever else the same thread
/// posts or polls.
@frozen
public struct RawQueuePair: BitwiseCopyable, @unchecked Sendable {
  /// The C structure.
  public let pointer: UnsafeMutablePointer<ibv_qp>

  /// A handle of a queue pair that someone else owns.
  @inlinable
  public init(_ pointer: UnsafeMutablePointer<ibv_qp>) { self.pointer = pointer }

  /// The same, from the pointer without its type: for handles that are kept in raw memory.
  @inlinable
  public init(address: UnsafeMutableRawPointer) {
    // The caller's pointer is that of a queue pair.
    pointer = address.assumingMemoryBound(to: ibv_qp.self)
  }

  /// The number by which peers address it.
  @inlinable public var number: UInt32 { pointer.pointee.qp_num }

  /// What became of a post: errno, 0 for success, and how many requests were posted.
  @frozen
  public struct PostOutcome: BitwiseCopyable, Sendable {
    /// The provider's errno, 0 for success.
    public let code: Int32
    /// How many requests were posted.
    public let postedCount: Int

    @inlinable
    init(code: Int32, postedCount: Int) {
      self.code = code
      self.postedCount = postedCount
    }
  }

  /// Posts a chain by one doorbell. An empty chain is a success.
  @inlinable
  public func post(_ chain: SendChain) -> PostOutcome {
    if chain.count == 0 { return PostOutcome(code: 0, postedCount: 0) }
    var refused: UnsafeMutablePointer<cverbs_send_slot>?
    let code = cverbs_post_send(pointer, chain.slots, &refused)
    if code == 0 { return PostOutcome(code: 0, postedCount: chain.count) }
    guard let refused else { return PostOutcome(code: code, postedCount: 0) }
    return PostOutcome(code: code, postedCount: refused - chain.slots)
  }

  /// Posts a receive: the buffer takes the next message of the peer. The provider's errno, 0 for success.
  @inlinable
  public func postReceive(id: UInt64, into buffer: LocalBuffer) -> Int32 {
    cverbs_post_receive(pointer, id, buffer.address, buffer.byteCount, buffer.key)
  }
}

/// A completion queue without ownership, trivially copyable. Whoever uses it keeps the `CompletionQueue`
/// alive. The lock of the provider is as in `RawQueuePair`.
@frozen
public struct RawCompletionQueue: BitwiseCopyable, @unchecked Sendable {
  /// The C structure.
  public let pointer: UnsafeMutablePointer<ibv_cq>

  /// A handle of a completion queue that someone else owns.
  @inlinable
  public init(_ pointer: UnsafeMutablePointer<ibv_cq>) { self.pointer = pointer }

  /// Takes up to `capacity` completions and returns how many, or a negative number where the device failed.
  /// Never waits.
  @inlinable
  public func poll(into completions: UnsafeMutablePointer<WorkCompletion>, capacity: Int) -> Int {
    // A WorkCompletion is exactly one cverbs_completion, so the memory may be seen as either.
    let raw = UnsafeMutableRawPointer(completions).assumingMemoryBound(to: cverbs_completion.self)
    return Int(cverbs_poll(pointer, Int32(truncatingIfNeeded: capacity), raw))
  }
}
