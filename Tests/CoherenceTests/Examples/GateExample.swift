import Fabric
import Platform
import Testing

@testable import Coherence

/// While homes move nobody of the node is inside a page operation: who closes the gate waits for those
/// within, who comes later waits until it opens (docs/protocol.md, section 7).
@Suite(.timeLimit(.minutes(1))) struct GateExample {
  typealias Node = Engine<HostPair.Setting>

  @Test func theGateWaitsForThoseInsideAndKeepsOthersOut() throws {
    let pair = try HostPair()
    var told: [String] = []
    func operation(_ node: Node) throws(EngineError) {
      try node.enterGate()
      told.append("inside")
      node.wait { node.local.gateClosed.load() == 1 }
      node.letOthersRun()
      told.append("done")
      node.leaveGate()
    }
    func barrier(_ node: Node) throws(EngineError) {
      node.wait { told == ["inside"] }
      try node.closeGate()
      told.append("closed")
      node.letOthersRun()
      told.append("opened")
      node.openGate()
    }
    func pageFault(_ node: Node) throws(EngineError) {
      node.wait { told.contains("closed") }
      try node.fault(page: 5, access: .read, view: 0)
      told.append("served")
    }
    try pair.atOnce([(0, operation), (0, barrier), (0, pageFault)])
    #expect(told == ["inside", "done", "closed", "opened", "served"])
  }
}
