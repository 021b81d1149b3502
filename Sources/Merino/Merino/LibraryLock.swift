import Coherence

/// A lock of the library's own, between threads of all nodes: it takes none of the slots of the program's
/// locks, so taking it never fails because the program holds too many. Not recursive.
package struct LibraryLock: Sendable {
  private let id: Int

  /// That of the table of System V's shared memory. Its holder may take those of segments and of the heap.
  package static let systemV = LibraryLock(2)

  private init(_ id: Int) {
    assert(id < Configuration.libraryLockCount && id != SegmentTable.lockID && id != GlobalHeap.lockID)
    self.id = id
  }

  /// Runs `body` holding the lock. What a failing release says comes before what `body` says.
  ///
  /// - Throws: what `body` throws, or a `MerinoError`.
  package func withLock<R>(_ attempt: String, _ body: () throws -> R) throws -> R {
    let engine = try Runtime.current().engine
    let outcome = try attempting(attempt) { () throws(EngineError) in
      try engine.withLibraryLock(id) { Result { try body() } }
    }
    return try outcome.get()
  }
}

extension Engine {
  /// Runs `body` holding a lock of the library's own. What a failing acquire or release says comes before
  /// what `body` gives.
  func withLibraryLock<R>(_ id: Int, _ body: () -> R) throws(EngineError) -> R {
    try acquireLock(id, for: .library)
    let outcome = body()
    try releaseLock(id)
    return outcome
  }
}
