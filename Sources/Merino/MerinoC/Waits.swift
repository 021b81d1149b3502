import CMerino
import Merino

// The waits of Waits.c, which are done in steps so that a thread can be cancelled between two of them.

/// The wait that C keeps for its thread.
private struct KeptWait {
  private let place: UnsafeMutableRawPointer

  init(_ wait: UnsafeMutablePointer<mrn_wait>?) {
    // Waits.c passes a variable of its own.
    place = UnsafeMutableRawPointer(wait.unsafelyUnwrapped)
    precondition(
      MemoryLayout<PendingWait>.size <= MemoryLayout<mrn_wait>.size, "struct mrn_wait is too small")
  }

  var value: PendingWait {
    get { place.load(as: PendingWait.self) }
    nonmutating set { place.storeBytes(of: newValue, as: PendingWait.self) }
  }
}

/// Runs `body`, which says whether there is nothing to wait for any more; an error becomes its code.
private func step(_ body: () throws(MerinoError) -> Bool) -> Int32 {
  do throws(MerinoError) { return try body() ? 1 : 0 } catch { return fail(error) }
}

@c @implementation
public func mrn_event_begin(_ event: merino_event_t, _ wait: UnsafeMutablePointer<mrn_wait>?) -> Int32 {
  step { () throws(MerinoError) in
    guard let begun = try Event(handle: event).beginWait() else { return true }
    KeptWait(wait).value = begun
    return false
  }
}

@c @implementation
public func mrn_cond_begin(
  _ condition: merino_cond_t, _ lock: merino_lock_t, _ limit: UnsafePointer<UInt64>?,
  _ wait: UnsafeMutablePointer<mrn_wait>?
) -> Int32 {
  step { () throws(MerinoError) in
    KeptWait(wait).value = try Condition(handle: condition).beginWait(
      with: Lock(handle: lock), withinNanoseconds: limit?.pointee)
    return false
  }
}

@c @implementation
public func mrn_wait_step(_ wait: UnsafeMutablePointer<mrn_wait>?) -> Int32 {
  step { () throws(MerinoError) in
    var pending = KeptWait(wait).value
    let outcome = try pending.step()
    KeptWait(wait).value = pending
    return outcome == .over
  }
}

@c @implementation
public func mrn_wait_finish(_ wait: UnsafeMutablePointer<mrn_wait>?) -> Int32 {
  result { () throws(MerinoError) in
    let pending = KeptWait(wait).value
    if try pending.finish() { return }
    throw MerinoError(
      .timedOut, "merino_cond_wait_within: nobody signalled within \(pending.limit ?? 0) ns.")
  }
}

@c @implementation
public func mrn_wait_abandon(_ wait: UnsafeMutablePointer<mrn_wait>?) { KeptWait(wait).value.abandon() }
