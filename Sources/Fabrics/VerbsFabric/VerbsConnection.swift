import Fabric
import Platform
import Verbs

/// One connection (a lane to a peer) as the data path sees it: a queue pair, the slots in which a batch is
/// gathered, and how far its send queue has got. A few words in memory of the fabric, which outlives every
/// copy.
///
/// The poster's words, the poller's and the addresses have cache lines of their own.
@frozen
public struct VerbsConnection: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable
  init(_ base: UnsafeMutableRawPointer) { self.base = base }

  /// Bytes of a connection's words: whole cache lines, poster and poller apart.
  @inlinable static var byteCount: Int { 192 }
  /// Requests that a batch gathers before it is posted in parts; fewer where the send queue is shorter.
  @inlinable static var batchCapacity: Int { 64 }

  /// Posting lock; holders have their signals blocked.
  @inlinable var lock: AtomicWord { AtomicWord(base) }
  /// Requests posted so far; changed under the lock.
  @inlinable var posted: AtomicWord { AtomicWord(base + 8) }
  /// The place in the send queue behind the last WRITE; changed under the lock.
  @inlinable var writesEnd: AtomicWord { AtomicWord(base + 16) }
  /// Requests that have ended, as far as polled; changed by the poller.
  @inlinable var ended: AtomicWord { AtomicWord(base + 64) }
  /// First failure: status | 1 << 32, 0 for none.
  @inlinable var failure: AtomicWord { AtomicWord(base + 72) }

  /// Addresses, written once, when the fabric is made. What they lead to lives until `close`.
  @frozen @usableFromInline
  enum Address: Int {
    /// The queue pair.
    case pair = 128
    /// `batchCapacity` slots.
    case slots = 136
    /// For each request of the send queue the flight that its end belongs to, or 0.
    case records = 144
    /// For each slot what an inline WRITE carries.
    case copies = 152
  }

  @inlinable
  func load(_ address: Address) -> UnsafeMutableRawPointer {
    base.load(fromByteOffset: address.rawValue, as: UnsafeMutableRawPointer.self)
  }

  func set(_ address: Address, _ value: UnsafeMutableRawPointer) {
    base.storeBytes(of: value, toByteOffset: address.rawValue, as: UnsafeMutableRawPointer.self)
  }

  @inlinable
  var pair: RawQueuePair {
    // Not loaded as a typed pointer: a debug build would make that type's metadata at run time.
    RawQueuePair(address: load(.pair))
  }
  @inlinable
  var slots: UnsafeMutablePointer<SendChain.Slot> {
    load(.slots).assumingMemoryBound(to: SendChain.Slot.self)
  }
  /// The record of a request; `mask` is the send queue's length - 1.
  @inlinable
  func record(_ request: UInt64, _ mask: UInt64) -> AtomicWord {
    AtomicWord(load(.records) + Int(request & mask) &* Self.recordByteCount)
  }
  @inlinable static var recordByteCount: Int { 8 }

  /// Where the copy of an inline WRITE's data lies until the post of the slot, `limit` bytes.
  @inlinable
  func copy(_ slot: Int, _ limit: Int) -> UnsafeMutableRawPointer { load(.copies) + slot &* limit }

  /// The last of `count` requests that are gathered is a WRITE. The caller holds the lock.
  @inlinable
  func noteWrite(behind count: Int) {
    writesEnd.storeRelaxed(posted.loadRelaxed() &+ UInt64(truncatingIfNeeded: count))
  }

  /// Whether all requests up to the `end`-th have ended, as far as polled.
  @inlinable
  func hasEnded(_ end: UInt64) -> Bool {
    // Acquire: pairs with the poller's store. The places wrap around, and the two are at most a queue's
    // length apart while the end is ahead.
    Int64(bitPattern: end &- ended.load()) <= 0
  }

  /// Notes why the connection failed; returns the first reason there was.
  @inlinable
  func fail(_ status: Int32) -> Int32 {
    let mine = UInt64(UInt32(bitPattern: status)) | 1 << 32
    let before = failure.compareExchangeOld(0, mine)
    return Int32(truncatingIfNeeded: before == 0 ? mine : before)
  }
}

/// Operations being gathered for one connection, whose posting lock the gatherer holds.
@frozen
public struct VerbsBatch: BitwiseCopyable {
  @usableFromInline let connection: VerbsConnection
  /// Number of the connection, in the high half of the requests' identifiers.
  @usableFromInline let number: UInt64
  @usableFromInline var chain: SendChain
  /// Requests of this batch that were posted already, since they were too many for the slots.
  @usableFromInline var isPartlyPosted = false
  /// Why the batch was refused, 0 if it was not: nothing of it is posted from there on.
  @usableFromInline var status: Int32 = 0

  /// `queueMask`: the send queue's length - 1. A part of a batch is never longer than the queue, which would
  /// not have room for it even when it is empty.
  @inlinable
  init(_ connection: VerbsConnection, number: Int, queueMask: UInt64) {
    self.connection = connection
    self.number = UInt64(truncatingIfNeeded: number)
    let length = Int(truncatingIfNeeded: queueMask) &+ 1
    chain = SendChain(
      connection.slots,
      capacity: length < VerbsConnection.batchCapacity ? length : VerbsConnection.batchCapacity)
  }

  /// The identifier of the next request: its connection, and the low half of its place in the send queue.
  @inlinable
  var nextID: UInt64 {
    number << 32 | (connection.posted.loadRelaxed() &+ UInt64(chain.count)) & 0xFFFF_FFFF
  }
}

/// Statuses by which a batch is refused before anything is posted: the numbers that the verbs give to the
/// same mistakes (`enum ibv_wc_status`). Below zero: an errno, negated.
@usableFromInline
enum Refusal {
  /// The local buffer lies in no registered memory.
  @inlinable static var localProtection: Int32 { 4 }
  /// The peer has announced no key for that memory.
  @inlinable static var remoteAccess: Int32 { 10 }
  /// The transport's retry counter exceeded: the node, or another one without which the job is over, has
  /// left.
  @inlinable static var noAnswer: Int32 { 12 }
  /// EIO: the device or its completion queue failed.
  @inlinable static var deviceFailed: Int32 { -5 }
}
