import CPlatform
import Synchronization

/// Which thread of this node holds which reader-writer lock, and how: such a lock has many owners, so they
/// are kept here and not in its record.
final class Holders: Sendable {
  private struct Key: Hashable {
    let thread: UInt32
    let id: Int
  }
  private let modes = Mutex<[Key: UInt64]>([:])

  /// The calling thread's mode, 0 where it does not hold the lock.
  func mode(_ id: Int) -> UInt64 {
    let key = Key(thread: cplatform_thread_id(), id: id)
    return modes.withLock { $0[key] ?? 0 }
  }

  /// Some thread that holds a lock.
  var any: (thread: UInt32, id: Int)? { modes.withLock { $0.first.map { ($0.key.thread, $0.key.id) } } }

  func set(_ id: Int, _ mode: UInt64) {
    let key = Key(thread: cplatform_thread_id(), id: id)
    modes.withLock { $0[key] = mode == 0 ? nil : mode }
  }
}
