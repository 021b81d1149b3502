import Coherence
import Node
import Platform

/// A thread's wait for an event or with a condition, in steps. Between two of them nothing of the library is
/// held, and nothing of Swift is on the stack: there the C interface lets the thread be cancelled (`Waits.c`
/// of CMerino), and calls `abandon` if it is. Who begins a wait ends it: by `finish`, by `abandon`, or by a
/// step that throws.
package struct PendingWait: BitwiseCopyable, Sendable {
  /// What one step came to.
  package enum Step: Sendable {
    /// Nothing yet.
    case waiting
    /// Granted, or out of time: `finish` tells.
    case over
  }

  /// The record of the event or condition, and its handle.
  private let object: Int
  private let handle: UInt64
  /// The record of the lock to take again; -1 for an event, which has none.
  private let lock: Int
  /// The slot that the thread waits on, and its name.
  private let slot: Int
  private let name: SlotName
  private let start: UInt64
  /// Nanoseconds; `nil`: for ever.
  package let limit: UInt64?
  private var backoff = Backoff()
  private var isGranted = false

  /// Puts the calling thread into the queue of an object whose monitor it has entered, and leaves the
  /// monitor. Where this throws `.slotsExhausted` nothing has changed, and the monitor has been left.
  init(
    _ monitor: inout Monitor, lock: Int = -1, withinNanoseconds limit: UInt64? = nil
  ) throws(EngineError) {
    let waiter = try monitor.enqueue(mode: 0)
    object = monitor.id
    handle = monitor.handle
    self.lock = lock
    slot = waiter.slot
    name = waiter.name
    start = limit == nil ? 0 : monitor.engine.execution.nowNanoseconds()
    self.limit = limit
    try monitor.leave()
    // In the queue before the lock is free: a signal under the lock after this finds the waiter.
    if lock >= 0 { try monitor.engine.releaseLock(lock) }
    monitor.engine.beginWaiting()
  }

  private var isForCondition: Bool { lock >= 0 }

  private static func waiting<T>(
    _ isForCondition: Bool, _ body: (NodeEngine) throws(EngineError) -> T
  ) throws(MerinoError) -> T {
    let engine = try Runtime.current().engine
    return try attempting(isForCondition ? "wait for a condition" : "wait for an event") {
      () throws(EngineError) in try body(engine)
    }
  }

  /// A few moments of the wait.
  package mutating func step() throws(MerinoError) -> Step {
    let (slot, start, limit) = (slot, start, limit)
    var backoff = backoff
    let (granted, isOver) = try Self.waiting(isForCondition) { engine throws(EngineError) in
      do throws(EngineError) {
        let remaining = limit.map { $0 - min($0, engine.execution.nowNanoseconds() &- start) }
        if remaining == 0 { return (engine.isGranted(slot), true) }
        if try engine.pollGrant(slot, &backoff, beforeLimit: remaining) { return (true, true) }
        return (false, false)
      } catch {
        // The job is over: nobody grants any more, and the slot stays as it is.
        engine.endWaiting()
        throw error
      }
    }
    self.backoff = backoff
    isGranted = granted
    return isOver ? .over : .waiting
  }

  /// Ends the wait, and takes the condition's lock again: needs no slot but the one that it has. False where
  /// the time was over before a signal came.
  package func finish() throws(MerinoError) -> Bool {
    try Self.waiting(isForCondition) { engine throws(EngineError) in
      defer { engine.endWaiting() }
      let woken = isGranted ? true : !(try leaveQueue(engine))
      if isForCondition {
        try engine.acquireLock(lock, givingSlot: slot)
      } else {
        try engine.acquireGranted(slot)
        engine.giveBackWaitSlot(slot)
      }
      return woken
    }
  }

  /// Ends the wait of a thread that is being cancelled. A signal that had come for it already goes to the
  /// next one who waits; the condition's lock is held again, as the thread's clean-up handlers expect it.
  package func abandon() {
    try? Self.waiting(isForCondition) { engine throws(EngineError) in
      defer { engine.endWaiting() }
      let wasWaiting = try leaveQueue(engine)
      guard isForCondition else {
        engine.giveBackWaitSlot(slot)
        return
      }
      if !wasWaiting { try passOn(engine) }
      try engine.acquireLock(lock, givingSlot: slot)
    }
  }

  /// Enters the object's monitor; `nil` where the object has been removed, as it may be once nobody is in its
  /// queue.
  private func enter(_ engine: NodeEngine) throws(EngineError) -> Monitor? {
    var monitor = Monitor(engine, object, handle: handle)
    do throws(EngineError) {
      try monitor.enter()
    } catch .invalidObject {
      return nil
    } catch {
      throw error
    }
    return monitor
  }

  /// Lets the next one go, if there is one.
  private func passOn(_ engine: NodeEngine) throws(EngineError) {
    guard var monitor = try enter(engine) else { return }
    let next = try monitor.dequeue()
    try monitor.grant(next == .none ? [] : [next])
    try monitor.leave()
  }

  /// Takes the thread out of the queue. False where it was not in it any more; the grant has come by then.
  private func leaveQueue(_ engine: NodeEngine) throws(EngineError) -> Bool {
    var wasWaiting = false
    if var monitor = try enter(engine) {
      wasWaiting = try monitor.remove(name)
      try monitor.leave()
    }
    // Taken out by somebody who grants: that is on the way, and the slot is written to until it is here.
    if !wasWaiting { try engine.awaitGrant(slot) }
    return wasWaiting
  }
}
