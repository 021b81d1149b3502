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

  @inlinable
  init(word: UInt64) {
    epochOverflowed = word & 1 != 0
    movesCancelled = word & 2 != 0
    retired = word >> 2
  }

  /// The message as the content of one word.
  @inlinable
  var word: UInt64 {
    precondition(retired >> 46 == 0, "the count of freed ranges does not fit into 46 bits")
    return retired << 2 | (movesCancelled ? 2 : 0) | (epochOverflowed ? 1 : 0)
  }
}

/// A word of a message, which vouches for itself: the number of its dissemination in the highest 16 bits, 48
/// bits of content below. They are enough for positions in logs: at a notice a microsecond, for nine years.
///
/// The number lies in the bytes that come last, so it also comes last where a word is copied byte by byte.
@frozen
@usableFromInline
struct TaggedWord: BitwiseCopyable {
  @usableFromInline let raw: UInt64

  @inlinable init(raw: UInt64) { self.raw = raw }
  @inlinable init(_ content: UInt64, of dissemination: UInt64) {
    precondition(content & ~Self.mask == 0, "the content of a barrier's word does not fit into 48 bits")
    raw = dissemination << 48 | content
  }

  @inlinable static var mask: UInt64 { (1 << 48) - 1 }
  @inlinable var content: UInt64 { raw & Self.mask }
  @inlinable func belongs(to dissemination: UInt64) -> Bool { raw >> 48 == dissemination & 0xFFFF }
}

// Dissemination (Hensgen, Finkel, Manber 1988): in round r each node tells node + 2^r what it has
// heard; after ceil(log2 N) rounds everybody has heard of everybody.
//
// An inbox for each round and parity; a message is one WRITE into it: a word that holds the `BarrierMessage`,
// and behind it a word a node, the clock. The receiver waits until every word has the dissemination's number,
// so the words may come in any order. What is left of earlier messages has other numbers: clocks are sent by
// one or two of the one or three disseminations of a barrier, so no word of an inbox is older than two
// barriers, six numbers of 65,536. A sender can be one dissemination ahead of its receiver, never two: it
// cannot finish the next one without the receiver having begun it, which is after the receiver has read this
// inbox.

extension Engine {
  /// Returns after all nodes have called it as often as this one. Merges `message` and
  /// `local.mergedClock` over the nodes if `carrying`. By the barrier's thread.
  @inlinable
  func disseminate(_ message: inout BarrierMessage, carrying: Bool) throws(EngineError) {
    let number = nextDissemination()
    try tellFirst(number, message, carrying: carrying)
    try hear(number, &message, carrying: carrying)
  }

  @inlinable
  func nextDissemination() -> UInt64 {
    let number = local.disseminations.loadRelaxed() + 1
    local.disseminations.storeRelaxed(number)
    return number
  }

  /// The message of the first round. Signals are blocked.
  @inlinable
  func tellFirst(_ number: UInt64, _ message: BarrierMessage, carrying: Bool) throws(EngineError) {
    if nodeCount > 1 { try tell(round: 0, number, message, carrying: carrying) }
  }

  /// Waits for the messages of all rounds, and sends those of the rounds after the first.
  @inlinable
  func hear(_ number: UInt64, _ message: inout BarrierMessage, carrying: Bool) throws(EngineError) {
    for round in 0..<configuration.roundCount {
      if round > 0 {
        let saved = execution.enterCritical()
        defer { execution.leaveCritical(saved) }
        try tell(round: round, number, message, carrying: carrying)
      }
      let inbox = layout.inbox(round, number)
      try awaitMessage(inbox, number, wordCount: messageWordCount(carrying: carrying))
      if carrying { merge(inbox, &message) }
    }
  }

  @inlinable
  func awaitMessage(_ inbox: Inbox, _ number: UInt64, wordCount: Int) throws(EngineError) {
    var backoff = Backoff()
    var looks: UInt64 = 0
    let count = isOn(.barrierTrustsFirstWord) ? 1 : wordCount
    for index in 0..<count {
      // Acquire: pairs with the WRITE of the word, posted after all that it tells of.
      while !TaggedWord(raw: own(inbox.words[index]).load()).belongs(to: number) {
        try checkPeers()
        execution.pause(&backoff)
        looks &+= 1
        if looks & 63 == 0 {
          try checkTold()
          try checkOld(TaggedWord(raw: own(inbox.words[index]).load()), awaiting: number)
        }
      }
    }
  }

  /// Throws where a message of this node's could not be sent: its receiver waits for it, and may be the one
  /// that this node waits for. Nobody else looks at these flights before the next barrier.
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

  @inlinable
  func ensureAtRest(_ flight: Flight, _ round: Int) {
    ensure(flight.pending.load() == 0, .messageAtRest, round)
  }

  /// Words of a message: only those that carry something.
  @inlinable
  func messageWordCount(carrying: Bool) -> Int { carrying ? Inbox.clockIndex + nodeCount : Inbox.clockIndex }

  /// The flight of the last message of a round; it lies behind the message's staging.
  @inlinable
  func stagingFlight(_ round: Int) -> Flight {
    Flight(control + layout.staging(round).flightOffset)
  }

  /// Sends this node's message of a round. Signals are blocked.
  @inlinable
  func tell(
    round: Int, _ number: UInt64, _ message: BarrierMessage, carrying: Bool
  ) throws(EngineError) {
    let staging = layout.staging(round)
    let flight = stagingFlight(round)
    // The staging of a round stays as it is until its WRITE of last time has completed, unless that was
    // copied when it was posted. Then nobody looks at its completion unless the wait is long: see
    // `checkTold`.
    if layout.inbox(round, number).words.writable.byteCount > inlineLimit {
      try wait(flight)
      ensureAtRest(flight, round)
    }
    own(staging.message).storeRelaxed(TaggedWord(message.word, of: number).raw)
    if carrying {
      for peer in configuration.nodes {
        let entry = TaggedWord(local.mergedClock[peer], of: number)
        own(staging.clock(peer)).storeRelaxed(entry.raw)
      }
    }
    let peer = NodeID((node.number + (1 << round)) % nodeCount)
    var batch = fabric.open(peer, lane: 0)
    let target = layout.inbox(round, number).words.first(messageWordCount(carrying: carrying))
    write(&batch, from: control + staging.offset, to: target, of: peer)
    fabric.submit(batch, flight)
  }

  @inlinable
  func merge(_ inbox: Inbox, _ message: inout BarrierMessage) {
    let theirs = BarrierMessage(word: TaggedWord(raw: own(inbox.message).loadRelaxed()).content)
    message.epochOverflowed = message.epochOverflowed || theirs.epochOverflowed
    message.movesCancelled = message.movesCancelled || theirs.movesCancelled
    message.retired = max(message.retired, theirs.retired)
    for peer in configuration.nodes {
      let theirs = TaggedWord(raw: own(inbox.clock(peer)).loadRelaxed()).content
      if theirs > local.mergedClock[peer] { local.mergedClock[peer] = theirs }
    }
  }
}
