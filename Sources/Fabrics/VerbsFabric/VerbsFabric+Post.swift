import CPlatform
import Fabric
import Platform
import Verbs

// Posting: one doorbell a batch. The last request of a batch is signalled; by its end all before it have
// ended, too. Slots of the send queue are accounted: nothing is posted for which there is no room, so the
// provider never refuses a request for want of it.

extension VerbsFabric {
  /// Posts what the batch gathered; `flight` counts it as one until its last request has ended. Gives the
  /// connection's posting lock back.
  @inlinable
  public func submit(_ batch: VerbsBatch, _ flight: Flight) {
    var batch = batch
    let connection = batch.connection
    if batch.status == 0 && batch.chain.count > 0 {
      post(&batch, flight: UInt64(UInt(bitPattern: flight.base)))
    }
    let status = batch.status
    // No request of what is posted already will count the flight down, and its buffers are in use until it
    // ends. (Of a connection that has failed nothing is waited for: the device gives it up by itself.)
    if status != 0 && batch.isPartlyPosted { waitForAll(connection) }
    // Release: pairs with `open`.
    connection.lock.store(0)
    if status != 0 { flight.fail(status, peer: peer(ofConnection: batch.number)) }
  }

  /// The batch is too long for the slots: what is there goes, unwaited for. A failure of it breaks the
  /// connection, and is reported with the rest.
  @inlinable
  func postPart(_ batch: inout VerbsBatch) {
    post(&batch, flight: 0)
    batch.isPartlyPosted = true
    batch.chain.removeAll()
  }

  /// `flight`: address of the flight that is pending until the last request has ended; 0 for none.
  @inlinable
  func post(_ batch: inout VerbsBatch, flight: UInt64) {
    let connection = batch.connection
    let count = UInt64(batch.chain.count)
    let first = connection.posted.loadRelaxed()
    waitForRoom(connection, upTo: first &+ count)
    if connection.failure.load() != 0 {
      // Broken earlier: the first reason tells more than "flushed".
      batch.status = connection.fail(0)
      return
    }
    batch.chain.addToLast(.signaled)
    // Before the post: pairs with the poller, which sees it through the completion.
    let record = connection.record(first &+ count &- 1, table.queueMask)
    if let base = UnsafeMutableRawPointer(bitPattern: UInt(flight)) { Flight(base).pending.fetchAdd(1) }
    record.store(flight)
    // The driver of a device that is software posts by write(2), a cancellation point; and this may be a page
    // fault.
    let cancellation = cplatform_disable_cancellation()
    let outcome = connection.pair.post(batch.chain)
    cplatform_restore_cancellation(cancellation)
    connection.posted.storeRelaxed(first &+ UInt64(outcome.postedCount))
    if outcome.code != 0 {
      batch.status = connection.fail(outcome.code < 0 ? outcome.code : -outcome.code)
      // The request that would have counted the flight down was not posted.
      endRecord(record, batch.number, batch.status)
    }
  }

  /// Returns when the send queue has room for all requests up to the `end`-th. Every post ends with a
  /// signalled request, so polling makes room; a dead peer's requests end with an error after the device's
  /// retries.
  @inlinable
  func waitForRoom(_ connection: VerbsConnection, upTo end: UInt64) {
    var backoff = Backoff()
    while end &- connection.ended.load() > table.queueMask &+ 1, connection.failure.load() == 0 {
      poll()
      // What this waits for takes longer than a spin, and a device that is software may need the processor.
      backoff.wait(spins: 0)
    }
  }

  /// Returns when everything that was posted has ended, or the connection has failed.
  @inlinable
  func waitForAll(_ connection: VerbsConnection) {
    var backoff = Backoff()
    while connection.ended.load() != connection.posted.loadRelaxed(), connection.failure.load() == 0 {
      poll()
      backoff.wait(spins: 0)
    }
  }

  @inlinable
  func peer(ofConnection number: UInt64) -> NodeID { NodeID(Int(truncatingIfNeeded: number) / laneCount) }
}
