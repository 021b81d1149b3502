import Fabric
import Platform
import Testing

@testable import Coherence

/// Each invariant is broken once, and the process ends with its sentence.
@Suite struct InvariantTests {
  typealias Breaking = @Sendable (HostPair) throws(EngineError) -> Void
  static let unit = Unit(page: 5, count: 1)

  static func breaking(_ invariant: Invariant) -> Breaking {
    switch invariant {
    case .insideGate: { $0.engines[0].leaveGate() }
    case .gateClosed: { $0.engines[0].forgetWords(0..<16) }
    case .gateOpenedOnce: { $0.engines[0].openGate() }
    case .workspaceTaken: { $0.engines[0].giveBack($0.engines[0].workspace(3)) }
    case .workspaceAtRest:
      { pair in
        let w = pair.engines[0].takeWorkspace()
        w.flight.pending.store(1)
        pair.engines[0].giveBack(w)
      }
    case .commitLockHeld: { $0.engines[0].publish(LogWriter(0)) }
    case .roundsInOrder:
      { pair throws(EngineError) in
        try pair.write(0, page: 5, 1)
        pair.engines[0].local.roundsFinished.store(7)
        pair.engines[0].local.roundsBegun.store(7)
        pair.engines[0].local.roundsFinished.store(6)
        try pair.engines[0].release()
      }
    case .headOnlyRises: publishing { $0.logHead.store(5) }
    case .logWithinRing: publishing { $0.logFloor.store(1 << 40) }
    case .wholeUnits: noting(Unit(page: 3, count: 2)) { _ in }
    case .epochSetFits:
      noting(unit) { engine in engine.own(engine.layout.epochRecord(0).count).store(65) }
    case .clockApplied:
      { pair in
        let clock = pair.engines[0].local.mergedClock
        clock[1] = 9
        pair.engines[0].ensureApplied(clock)
      }
    case .clockOnlyRises:
      { pair in
        pair.engines[0].local.barrierClock[1] = 9
        pair.engines[0].keepBarrierClock()
      }
    case .ownClockBelowHead:
      { pair in
        pair.engines[0].local.mergedClock[0] = 9
        pair.engines[0].keepBarrierClock()
      }
    case .diffHasHome:
      { pair throws(EngineError) in
        let engine = pair.engines[0]
        engine.frame(5).storeBytes(of: 1, as: UInt8.self)
        var sender = DiffSender<HostFabricOfTests>()
        _ = try engine.sendDiff(
          unit, lane: 0, home: 0, from: engine.frame(5), &sender, engine.takeWorkspace())
      }
    case .fetchFromElsewhere:
      { pair throws(EngineError) in
        try pair.engines[0].fetch(unit, 0, forWriting: false, 0, pair.engines[0].takeWorkspace())
      }
    case .frameRegistered: { $0.engines[0].ensureFrameRegistered(200) }
    case .windowInChunk:
      { pair throws(EngineError) in
        let engine = pair.engines[0]
        try pair.write(1, page: 15, 1)
        try engine.fetchWindow(
          Unit(page: 15, count: 1), 1, 16..<18, forWriting: false, 0, engine.takeWorkspace())
      }
    case .moveToANode: moving(to: 2)
    case .homeAfterMove:
      { pair throws(EngineError) in
        try pair.write(0, page: 5, 1)
        try moving(to: 1)(pair)
      }
    case .freedChunks:
      { pair throws(EngineError) in
        try pair.engines[0].closeGate()
        pair.engines[0].forgetWords(3..<5)
      }
    case .pinsCounted:
      { pair throws(EngineError) in
        pair.engines[0].pages.pinCount(5).store(1)
        try pair.engines[0].unpin(5..<6)
      }
    case .ticketsInOrder: { $0.engines[0].leaveLocal($0.engines[0].localLock(3)) }
    case .slotTaken: { $0.engines[0].giveBackSlot(3) }
    case .lockHasSlot:
      { pair throws(EngineError) in
        pair.engines[0].localLock(3).owner.store(1)
        try pair.engines[0].releaseLock(3)
      }
    case .waitingCounted: { $0.engines[0].endWaiting() }
    case .atomicWithinWord: { pair throws(EngineError) in _ = try pair.engines[0].atomic(.load, at: 4) }
    case .lockBitHeld:
      { pair throws(EngineError) in
        _ = try pair.read(0, page: 5)
        var held = try pair.engines[0].holdUnit(unit)
        pair.engines[0].unlock(unit)
        pair.engines[0].makeTwin(&held)
      }
    case .roundCovers: { $0.engines[0].ensureCovered(7) }
    case .twinOfCopy: { $0.engines[0].copyTwin(unit) }
    case .exclusiveIsSeen: { $0.engines[0].ensureSeen(5) }
    case .bufferHasRoom:
      { pair in
        let engine = pair.engines[0]
        engine.readLog(
          LogPiece(node: 1, from: 0, target: 1, count: 1, offset: 1 << 30), engine.takeWorkspace())
      }
    case .messageAtRest:
      { pair in
        let flight = pair.engines[0].stagingFlight(0)
        flight.pending.store(1)
        pair.engines[0].ensureAtRest(flight, 0)
      }
    case .keyAnnounced:
      { pair throws(EngineError) in
        try pair.write(0, page: 5, 1)
        pair.engines[0].ensureWithdrawn(0)
      }
    case .lockOfTheJob: { _ = $0.engines[0].lockRecord(64) }
    case .movesCounted: { _ = $0.engines[0].moveAt(3) }
    case .pagesOfTheSpace: { $0.engines[0].raiseFetched(250..<260, .read, 0) }
    }
  }

  typealias HostFabricOfTests = HostPair.Setting.F
  typealias TestEngine = Engine<HostPair.Setting>

  private static func publishing(_ damage: @escaping @Sendable (TestEngine) -> Void) -> Breaking {
    { pair throws(EngineError) in
      try pair.engines[0].takeCommitLock()
      damage(pair.engines[0])
      pair.engines[0].publish(LogWriter(4))
    }
  }

  private static func noting(_ unit: Unit, _ damage: @escaping @Sendable (TestEngine) -> Void) -> Breaking {
    { pair throws(EngineError) in
      try pair.engines[0].takeCommitLock()
      damage(pair.engines[0])
      var log = LogWriter(0)
      pair.engines[0].note(unit, atHome: false, &log)
    }
  }

  private static func moving(to home: NodeID) -> Breaking {
    { pair throws(EngineError) in
      try pair.engines[0].closeGate()
      try pair.engines[0].carryOut((unit, home), pair.engines[0].takeWorkspace())
    }
  }

  @Test(arguments: Invariant.allCases) func endsTheProcess(_ invariant: Invariant) async throws {
    let result = await #expect(processExitsWith: .exitCode(70), observing: [\.standardErrorContent]) {
      [invariant] in
      try InvariantTests.breaking(invariant)(try HostPair())
    }
    let said = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(said.contains("merino: node 0: it does not hold that \(invariant.words) (0x"), "\(said)")
    #expect(said.contains("), at Coherence/"), "\(said)")
  }

  @Test func theDocumentHasThem() throws {
    let text = try String(contentsOfRepositoryFile: "docs/protocol.md")
    let rows = text.split(separator: "\n").map(String.init).filter { line in
      Invariant.allCases.contains { line.hasPrefix("| `\($0)` |") }
    }
    #expect(
      rows.map { $0.split(separator: "|").prefix(2).joined(separator: "|") + "|" }
        == Invariant.allCases.map { " `\($0)` | \($0.words) |" })
  }
}

extension Invariant: Codable {}
