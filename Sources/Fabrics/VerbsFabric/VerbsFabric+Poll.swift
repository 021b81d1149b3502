import Fabric
import Platform
import Verbs

// Polling: any thread that waits looks, one at a time, and counts down whoever's flights have ended.

extension VerbsFabric {
  /// One look for completions; returns at once where another thread is looking. Signals are blocked.
  @inlinable
  public func poll() {
    // Acquire: pairs with the store below; the buffer is the holder's.
    guard table.pollLock.loadRelaxed() == 0, table.pollLock.compareExchange(0, 1) else { return }
    let found = queue.poll(into: table.completions, capacity: FabricTable.pollCount)
    var index = 0
    while index < found {
      end(table.completions[index])
      index &+= 1
    }
    // What the providers answer is no errno.
    if found < 0 { table.deviceFailure.store(1) }
    // At every look from then on: a thread that had found the connection whole may have posted behind the
    // last one.
    if table.deviceFailure.load() != 0 { failAll() }
    table.pollLock.store(0)
  }

  /// A signalled request has ended, or one failed: with it all before it on its connection.
  @inlinable
  func end(_ completion: WorkCompletion) {
    let number = completion.id >> 32
    let connection = table.connection(Int(truncatingIfNeeded: number))
    let before = connection.ended.loadRelaxed()
    // The place in the send queue from its low half: at most a queue's length ahead of `before`.
    let step = UInt32(truncatingIfNeeded: completion.id) &- UInt32(truncatingIfNeeded: before)
    let request = before &+ UInt64(step)
    var status: Int32 = 0
    if completion.status.rawValue != 0 {
      status = connection.fail(Int32(truncatingIfNeeded: completion.status.rawValue))
    }
    endRecord(connection.record(request, table.queueMask), number, status)
    // Release: pairs with `waitForRoom`; the record is free before its place is.
    connection.ended.store(request &+ 1)
  }

  @inlinable
  func endRecord(_ record: AtomicWord, _ number: UInt64, _ status: Int32) {
    guard let base = UnsafeMutableRawPointer(bitPattern: UInt(record.exchange(0))) else { return }
    // The address of a flight that its submitter waits for: it lies in memory that outlives the wait.
    let flight = Flight(base)
    if status != 0 { flight.fail(status, peer: peer(ofConnection: number)) }
    // Release, by the full barrier: pairs with the waiter's load; the failure is there before.
    flight.pending.fetchAdd(~0)
  }

  /// The device or the completion queue itself failed: nothing will be reported any more, so everything in
  /// flight fails.
  @inlinable
  func failAll() {
    var number = 0
    while number < nodeCount &* laneCount {
      let connection = table.connection(number)
      let status = connection.fail(Refusal.deviceFailed)
      var request: UInt64 = 0
      while request <= table.queueMask {
        endRecord(connection.record(request, table.queueMask), UInt64(number), status)
        request &+= 1
      }
      connection.ended.store(connection.posted.load())
      number &+= 1
    }
  }
}
