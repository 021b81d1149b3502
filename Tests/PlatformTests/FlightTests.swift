import Fabric
import Testing

/// A failure in a word: what goes in comes out, and the first of several stays.
@Suite struct FlightTests {
  static let reasons: [FabricFailure.Reason] = [
    .completionError, .peerLost, .registrationFailed, .badWord, .halfDone,
  ]

  @Test(arguments: reasons) func everyFailureComesBack(_ reason: FabricFailure.Reason) {
    for peer in [-1, 0, 1, 1023, 0xFFFE] {
      for status: Int32 in [0, 1, 12, -5, .max, .min] {
        let word = FailureWord(reason, peer: NodeID(peer), status: status)
        // 0 says that there is none.
        #expect(word.raw != 0)
        #expect(word.failure == FabricFailure(reason: reason, peer: Int32(peer), status: status))
        #expect(FailureWord(raw: word.raw) == word)
      }
    }
  }

  @Test func peersBeyondTheFieldAreRefused() async {
    await #expect(processExitsWith: .failure) { _ = FailureWord(.completionError, peer: 0xFFFF, status: 1) }
    await #expect(processExitsWith: .failure) { _ = FailureWord(.completionError, peer: -2, status: 1) }
  }

  @Test func theFirstFailureStaysUntilItIsTaken() {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: Flight.byteCount, alignment: 8)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: Flight.byteCount)
    let flight = Flight(memory)
    #expect(flight.takeFailure() == nil)
    flight.fail(-5, peer: 0)
    flight.fail(12, peer: 3)
    #expect(flight.takeFailure() == FabricFailure(reason: .completionError, peer: 0, status: -5))
    #expect(flight.takeFailure() == nil)
  }
}
