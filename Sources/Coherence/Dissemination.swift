import CPlatform
import Fabric
import Platform

/// What the nodes tell each other at a barrier, beside the clock.
@frozen
@usableFromInline
struct BarrierMessage {
  /// Some node's epoch set did not fit: acquire by the logs, and nothing moves.
  @usableFromInline var epochOverflowed = false
  /// Some node cannot let a page go: nothing moves.
  @usableFromInline var movesCancelled = false
  /// Positions of freed ranges that node 0 has seen.
  @usableFromInline var retired: UInt64 = 0

  @inlinable init() {}

  /// The two of them as a word.
  @inlinable
  var flags: UInt64 {
    get { (epochOverflowed ? 1 : 0) | (movesCancelled ? 2 : 0) }
    set {
      epochOverflowed = newValue & 1 != 0
      movesCancelled = newValue & 2 != 0
    }
  }
}

// Dissemination (Hensgen, Finkel, Manber 1988): in round r each node tells node + 2^r what it has
// heard; after ceil(log2 N) rounds everybody has heard of everybody.
//
// An inbox for each round and parity: word 0 is the flag, the number of the dissemination; the message and the clock
// lie behind it. They are WRITTEN before the flag on the same connection. A sender can be one
// dissemination ahead of its receiver, never two: it cannot finish the next one without the receiver
// having begun it, which is after the receiver has read this inbox.

extension Engine {
  /// Returns after all nodes have called it as often as this one. Merges `message` and
  /// `local.mergedClock` over the nodes if `carrying`. By the barrier's thread.
  @inlinable
  func disseminate(_ message: inout BarrierMessage, carrying: Bool) throws(EngineError) {
    let number = local.disseminations.loadRelaxed() + 1
    local.disseminations.storeRelaxed(number)
    for round in 0..<configuration.roundCount {
      try tell((node + 1 << round) % nodeCount, round, number, message, carrying: carrying)
      let inbox = control + inboxOffset(round, number)
      var backoff = Backoff()
      var looks: UInt64 = 0
      // Acquire: pairs with the WRITE of the flag behind the message.
      while AtomicWord(inbox).load() != number {
        try checkPeers()
        execution.pause(&backoff)
        looks &+= 1
        if looks & 63 == 0 { try checkTold() }
      }
      if carrying { merge(inbox, &message) }
    }
  }

  /// Throws where a message of this node's could not be sent: its receiver waits for it, and may be the one that this
  /// node waits for. Nobody else looks at these flights before the next barrier.
  @inlinable
  func checkTold() throws(EngineError) {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    fabric.poll()
    for round in 0..<configuration.roundCount {
      let flight = stagingFlight(round)
      if flight.pending.load() == 0 { try wait(flight) }
    }
  }

  /// The flight of the last message of a round; it lies behind the message's staging.
  @inlinable
  func stagingFlight(_ round: Int) -> Flight {
    Flight(
      control + layout.stagings + round * layout.inboxByteCount + Self.inboxClockOffset
        + configuration.clockByteCount)
  }

  /// Words before the clock: the flag, the message's two.
  @inlinable
  static var inboxClockOffset: Int { 24 }

  @inlinable
  func inboxOffset(_ round: Int, _ number: UInt64) -> Int {
    layout.inboxes + (Int(number & 1) * configuration.roundCount + round) * layout.inboxByteCount
  }

  @inlinable
  func tell(
    _ peer: NodeID, _ round: Int, _ number: UInt64, _ message: BarrierMessage, carrying: Bool
  ) throws(EngineError) {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    // The staging of a round stays as it is until its WRITEs of last time have completed.
    let staging = control + layout.stagings + round * layout.inboxByteCount
    let flight = stagingFlight(round)
    try wait(flight)
    staging.storeBytes(of: number, as: UInt64.self)
    let inbox = remote(peer, inboxOffset(round, number))
    var batch = fabric.open(peer, lane: 0)
    if isOn(.flagBeforeMessage) { fabric.write(&batch, from: staging, byteCount: 8, to: inbox) }
    if carrying {
      staging.storeBytes(of: message.flags, toByteOffset: 8, as: UInt64.self)
      staging.storeBytes(of: message.retired, toByteOffset: 16, as: UInt64.self)
      cplatform_copy(staging + Self.inboxClockOffset, local.mergedClock, configuration.clockByteCount)
      fabric.write(
        &batch, from: staging + 8, byteCount: Self.inboxClockOffset - 8 + configuration.clockByteCount,
        to: inbox.advanced(by: 8))
    }
    if !isOn(.flagBeforeMessage) { fabric.write(&batch, from: staging, byteCount: 8, to: inbox) }
    fabric.submit(batch, flight)
  }

  @inlinable
  func merge(_ inbox: UnsafeMutableRawPointer, _ message: inout BarrierMessage) {
    message.flags |= inbox.load(fromByteOffset: 8, as: UInt64.self)
    message.retired = max(message.retired, inbox.load(fromByteOffset: 16, as: UInt64.self))
    for peer in 0..<nodeCount {
      let theirs = inbox.load(fromByteOffset: Self.inboxClockOffset + peer * 8, as: UInt64.self)
      let mine = Self.clockEntry(local.mergedClock, peer)
      if theirs > mine { local.mergedClock.storeBytes(of: theirs, toByteOffset: peer * 8, as: UInt64.self) }
    }
  }
}
