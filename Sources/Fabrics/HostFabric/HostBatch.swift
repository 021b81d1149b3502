import CPlatform
import Fabric
import Platform
import Synchronization

/// Operations on one connection. They have been executed by the time they are gathered; what the
/// batch carries is the order that is still owed, and the first mistake.
@frozen
public struct HostBatch: BitwiseCopyable {
  @usableFromInline let target: HostPeer
  @usableFromInline let peer: Int32
  /// Status of the first operation that was refused, 0 for none. As on a queue pair in the error
  /// state, nothing of the batch is executed after it.
  @usableFromInline var status: Int32 = 0
  /// Stores of this batch may still be in the core's store buffer.
  @usableFromInline var owesFullFence = false

  @inlinable
  init(target: HostPeer, peer: Int32) {
    self.target = target
    self.peer = peer
  }

  /// Before a load from the target. Pairs with the same fence of another node (store buffering: of
  /// two nodes that each WRITE one word and then READ the other's, at least one sees the other's).
  @inlinable
  mutating func drainStores() {
    guard owesFullFence else { return }
    fullFence()
    owesFullFence = false
  }

  @inlinable
  mutating func refuse(_ refusal: Int32) {
    // A mistake of the program, never of its input: a debug build stops where a debugger sees it.
    // (Not `assertionFailure`: in a debug build it does not pass @_noLocks, `assert` does.)
    assert(refusal == 0, "an operation on memory that its key does not admit to")
    if status == 0 { status = refusal }
  }
}

/// Copies as the fabric promises: of aligned words none is torn; other lengths are copied as memcpy likes,
/// and never a byte outside of the range. (Words beyond 512 bytes too: it moves those by vectors or in
/// ascending order, and whoever reads words in any order knows them by their last byte.)
///
/// Both ranges are mapped and `byteCount` bytes long. Other threads and nodes may change them meanwhile:
/// words are for that, and of longer ranges the protocol believes only bytes that nobody could have changed.
@inlinable @inline(__always)
func copyWordsUntorn(to: UnsafeMutableRawPointer, from: UnsafeRawPointer, byteCount: Int) {
  let isWords = (UInt(bitPattern: to) | UInt(bitPattern: from) | UInt(bitPattern: byteCount)) & 7 == 0
  guard isWords && byteCount <= 512 else {
    cplatform_copy(to, from, byteCount)
    return
  }
  // AtomicWord has no read-only form; `from` is only loaded from.
  let source = UnsafeMutableRawPointer(mutating: from)
  var offset = 0
  while offset < byteCount {
    AtomicWord(to + offset).storeRelaxed(AtomicWord(source + offset).loadRelaxed())
    offset &+= 8
  }
}

/// Loads before, and loads and stores after, stay in order: between a READ and whatever follows it on
/// the connection (a log range, then the log's floor). No instruction on x86.
@inlinable @inline(__always)
func acquireFence() { atomicMemoryFence(ordering: .acquiring) }

/// Loads and stores before, and stores after, stay in order: between a WRITE and the WRITE that
/// follows it (a grant's clock, then the grant). No instruction on x86.
@inlinable @inline(__always)
func releaseFence() { atomicMemoryFence(ordering: .releasing) }
