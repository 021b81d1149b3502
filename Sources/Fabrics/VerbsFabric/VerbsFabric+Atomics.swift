import Fabric
import Platform
import Verbs

// Atomics, and what keeps their values from getting lost on Soft-RoCE.

extension VerbsFabric {
  @inlinable
  public func compareAndSwap(
    _ batch: inout VerbsBatch, at: RemoteAddress, expected: UInt64, desired: UInt64,
    old: UnsafeMutableRawPointer
  ) {
    guard prepareAtomic(&batch, at, old) else { return }
    batch.chain.compareAndSwap(
      id: batch.nextID, at: RemoteBuffer(address: at.address, key: at.key), expected: expected,
      desired: desired, old: LocalBuffer(old, byteCount: 8, key: localKey(old)))
  }

  @inlinable
  public func fetchAdd(
    _ batch: inout VerbsBatch, at: RemoteAddress, addend: UInt64, old: UnsafeMutableRawPointer
  ) {
    guard prepareAtomic(&batch, at, old) else { return }
    batch.chain.fetchAdd(
      id: batch.nextID, at: RemoteBuffer(address: at.address, key: at.key), addend: addend,
      old: LocalBuffer(old, byteCount: 8, key: localKey(old)))
  }

  /// Makes room for an atomic as `prepare` does. Where the device confuses answers, the WRITEs before it on
  /// its connection are posted and waited for first: then no acknowledgement of theirs can come in the place
  /// of its answer.
  @inlinable @inline(__always)
  func prepareAtomic(
    _ batch: inout VerbsBatch, _ at: RemoteAddress, _ old: UnsafeMutableRawPointer
  ) -> Bool {
    if atomicsAwaitWrites { awaitWrites(&batch) }
    return prepare(&batch, at, old, 8)
  }

  /// Returns when all WRITEs of the connection have ended, those in the batch included, or the connection has
  /// failed.
  @inlinable
  func awaitWrites(_ batch: inout VerbsBatch) {
    let connection = batch.connection
    let end = connection.writesEnd.loadRelaxed()
    if !connection.hasEnded(end), batch.status == 0, batch.chain.count > 0 { postPart(&batch) }
    var backoff = Backoff()
    while !connection.hasEnded(end), batch.status == 0, connection.failure.load() == 0 {
      poll()
      backoff.wait(spins: 0)
    }
  }
}
