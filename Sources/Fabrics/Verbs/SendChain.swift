public import CVerbs

/// How a work request is executed.
@frozen
public struct SendFlags: OptionSet, BitwiseCopyable, Sendable {
  /// The value of `enum ibv_send_flags`.
  public let rawValue: UInt32
  /// Any flags, known or not.
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// No flags. (A set literal is made by way of an array, which allocates in debug builds; this and `|` do
  /// not.)
  @inlinable public static var none: SendFlags { SendFlags(rawValue: 0) }
  /// Both sets of flags, without a set literal.
  @inlinable public static func | (left: SendFlags, right: SendFlags) -> SendFlags {
    SendFlags(rawValue: left.rawValue | right.rawValue)
  }

  /// It waits for READs and atomics posted before it.
  @inlinable public static var fence: SendFlags { SendFlags(rawValue: 1) }
  /// Its end is reported. Slots of the send queue are given back only by a report of theirs or of a later
  /// one, so at least one request in every queue length has to be signalled.
  @inlinable public static var signaled: SendFlags { SendFlags(rawValue: 2) }
  /// It raises the peer's completion event where that waits for solicited ones only.
  @inlinable public static var solicited: SendFlags { SendFlags(rawValue: 4) }
  /// Its data is copied when it is posted, so the buffer can be anywhere and is free at once. WRITE and SEND
  /// only, up to the queue pair's inline limit.
  @inlinable public static var inline: SendFlags { SendFlags(rawValue: 8) }
}

/// Work requests gathered in memory of the caller, to be posted by one doorbell. Trivially copyable and free
/// of reference counts and allocations: for hot paths and signal handlers. `SendBatch` owns such memory.
///
/// The device executes a chain in order. Adding beyond the capacity ends the process.
@frozen
public struct SendChain: BitwiseCopyable, @unchecked Sendable {
  /// One request with its buffer, as the C library takes them.
  public typealias Slot = cverbs_send_slot

  /// The memory, `capacity` slots. It has to outlive the post and may be used again right after it.
  public let slots: UnsafeMutablePointer<Slot>
  /// How many requests fit.
  public let capacity: Int
  @usableFromInline
  var _count: Int

  /// An empty chain in the given memory, which needs no initialisation.
  @inlinable
  public init(_ slots: UnsafeMutablePointer<Slot>, capacity: Int) {
    self.slots = slots
    self.capacity = capacity
    _count = 0
  }

  /// How many requests it holds.
  @inlinable public var count: Int { _count }

  /// Bytes that one request takes.
  @inlinable public static var slotByteCount: Int { MemoryLayout<cverbs_send_slot>.stride }

  /// Forgets the requests.
  @inlinable public mutating func removeAll() { _count = 0 }

  /// Adds a READ of the peer's memory into a local buffer, which needs local write access.
  @inlinable
  public mutating func read(id: UInt64, from: RemoteBuffer, into: LocalBuffer, flags: SendFlags = .none) {
    let slot = _append(IBV_WR_RDMA_READ, id, into, flags)
    cverbs_set_remote(slot, from.address, from.key)
  }

  /// Adds a WRITE of a local buffer to the peer's memory.
  @inlinable
  public mutating func write(id: UInt64, from: LocalBuffer, to: RemoteBuffer, flags: SendFlags = .none) {
    let slot = _append(IBV_WR_RDMA_WRITE, id, from, flags)
    cverbs_set_remote(slot, to.address, to.key)
  }

  /// Adds a WRITE that also takes one of the peer's receives and gives it four bytes.
  @inlinable
  public mutating func write(
    id: UInt64, from: LocalBuffer, to: RemoteBuffer, immediate: UInt32, flags: SendFlags = .none
  ) {
    let slot = _append(IBV_WR_RDMA_WRITE_WITH_IMM, id, from, flags)
    cverbs_set_remote(slot, to.address, to.key)
    cverbs_set_immediate(slot, immediate)
  }

  /// Adds a SEND, which takes one of the peer's receives.
  @inlinable
  public mutating func send(id: UInt64, _ buffer: LocalBuffer, flags: SendFlags = .none) {
    _ = _append(IBV_WR_SEND, id, buffer, flags)
  }

  /// Adds a SEND that carries four bytes more.
  @inlinable
  public mutating func send(id: UInt64, _ buffer: LocalBuffer, immediate: UInt32, flags: SendFlags = .none) {
    cverbs_set_immediate(_append(IBV_WR_SEND_WITH_IMM, id, buffer, flags), immediate)
  }

  /// Adds a compare-and-swap on 8 aligned bytes of the peer; the value before goes to `old`, 8 bytes with
  /// local write access. Values are in the host's byte order.
  @inlinable
  public mutating func compareAndSwap(
    id: UInt64, at: RemoteBuffer, expected: UInt64, desired: UInt64, old: LocalBuffer,
    flags: SendFlags = .none
  ) {
    let slot = _append(IBV_WR_ATOMIC_CMP_AND_SWP, id, old, flags)
    cverbs_set_atomic(slot, at.address, at.key, expected, desired)
  }

  /// Adds a fetch-and-add on 8 aligned bytes of the peer; the value before goes to `old`.
  @inlinable
  public mutating func fetchAdd(
    id: UInt64, at: RemoteBuffer, addend: UInt64, old: LocalBuffer, flags: SendFlags = .none
  ) {
    let slot = _append(IBV_WR_ATOMIC_FETCH_AND_ADD, id, old, flags)
    cverbs_set_atomic(slot, at.address, at.key, addend, 0)
  }

  /// Adds flags to the last request: the usual place of `signaled`. Nothing happens to an empty chain.
  @inlinable
  public mutating func addToLast(_ flags: SendFlags) {
    if count > 0 { slots[count - 1].request.send_flags |= flags.rawValue }
  }

  @inlinable
  mutating func _append(
    _ opcode: ibv_wr_opcode, _ id: UInt64, _ buffer: LocalBuffer, _ flags: SendFlags
  ) -> UnsafeMutablePointer<Slot> {
    precondition(count < capacity, "the chain of work requests is full")
    let slot = slots + count
    cverbs_prepare(slot, opcode, id, flags.rawValue, buffer.address, buffer.byteCount, buffer.key)
    if count > 0 { cverbs_link(slot) }
    _count &+= 1
    return slot
  }
}
