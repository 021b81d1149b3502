import Fabric
import Node
import Testing

@testable import Merino

/// What people read when a call fails.
@Suite struct SentenceTests {
  @Test func aLostNodeIsNamed() {
    let error = MerinoError(FabricFailure(reason: .peerLost, peer: 3), "take a lock")
    #expect(error.code == .peerLost)
    #expect(
      error.description == "could not take a lock: node 3 left the job before the end; the job is over.")
  }

  @Test func aLostLauncherIsNoNode() {
    let error = MerinoError(FabricFailure(reason: .peerLost, peer: FabricFailure.launcher), "take a lock")
    #expect(error.code == .peerLost)
    #expect(error.description == "could not take a lock: the launcher ended before the job; the job is over.")
  }

  @Test func anUnknownLossNamesNobody() {
    let error = MerinoError(FabricFailure(reason: .peerLost, peer: -1), "take a lock")
    #expect(error.description.contains(": a node left the job"))
  }

  @Test(arguments: MerinoError.Code.allCases)
  func everyCodeHasItsWords(_ code: MerinoError.Code) {
    #expect(!code.summary.isEmpty)
    #expect(MerinoError.Code.allCases.filter { $0.summary == code.summary } == [code])
  }
}
