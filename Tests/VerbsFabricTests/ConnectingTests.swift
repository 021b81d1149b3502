import CFakeProvider
import Fabric
import Testing
import Verbs

@testable import VerbsFabric

extension FakeFabric {
  /// From nothing to a fabric: jobs of 1 to 3 nodes, 1 to 4 lanes, both ways to connect.
  @Suite(.serialized) struct Connecting {
    @Test(arguments: [1, 2, 3], [(1, true), (2, true), (4, true), (1, false), (2, false), (4, false)])
    func everyNodeReachesEveryNodeOnEveryLane(nodeCount: Int, way: (lanes: Int, byAddress: Bool)) throws {
      try onFake {
        let job = try TestJob(nodeCount, byAddress: way.byAddress, settings { $0.laneCount = way.lanes })
        for node in job.nodes {
          #expect(node.refusals.isEmpty)
          #expect(node.fabric.nodeCount == nodeCount && node.fabric.laneCount == way.lanes)
          for (peer, other) in job.nodes.enumerated() {
            #expect(other.fabric.node == NodeID(peer))
            for lane in 0..<way.lanes {
              let mine = UInt64(1 + node.fabric.node.number * 100 + peer * 10 + lane)
              let failure = node.run(to: other, lane: lane) { batch in
                withUnsafeBytes(of: mine) {
                  // A local variable always has an address.
                  guard let source = $0.baseAddress else { return }
                  node.fabric.write(
                    &batch, from: source, byteCount: 8, to: other.remote(lane * 8, as: node))
                }
                node.fabric.read(
                  &batch, from: other.remote(lane * 8, as: node), into: node.local(512), byteCount: 8)
              }
              #expect(failure == nil)
              #expect(node.word(512) == mine)
              #expect(other.word(lane * 8) == mine)
            }
          }
        }
      }
    }

    /// A WRITE goes over the queue pair of its lane, and each queue pair leads to the node that it should.
    @Test(arguments: [true, false]) func connectionsAreDifferentQueuePairs(byAddress: Bool) throws {
      try onFake {
        let job = try TestJob(3, byAddress: byAddress, settings { $0.laneCount = 2 })
        var owners: [UInt32: Int] = [:]
        for node in job.nodes {
          for number in 0..<6 {
            owners[node.fabric.table.connection(number).pair.number] = node.fabric.node.number
          }
        }
        #expect(owners.count == 18)
        for node in job.nodes {
          for number in 0..<6 {
            let attributes = try node.fabric.table.connection(number).pair.attributes()
            #expect(attributes.state == .readyToSend)
            #expect(attributes.readsAsInitiator == 16 && attributes.readsAsTarget == 16)
            let peer = number / 2
            // The other end of a loopback connection is one that nobody posts to.
            #expect(owners[attributes.peerNumber] == (peer == node.fabric.node.number ? nil : peer))
          }
        }
      }
    }

    @Test func memoryIsWhereItsOwnerSays() throws {
      try onFake {
        let job = try TestJob(2)
        let (near, far) = (job.nodes[0], job.nodes[1])
        let control = near.fabric.controlMemory(of: 1)
        #expect(control.address == UInt64(UInt(bitPattern: far.memory.memory.control)) && control.key != 0)
        #expect(near.fabric.framesAddress(of: 1) == UInt64(UInt(bitPattern: far.memory.memory.frames)))
        #expect(near.fabric.controlMemory(of: 0).key != control.key)
        #expect(near.endpoint.connectionSummary().contains("256 requests queued, up to 128 bytes inline"))
      }
    }

    @Test func optionsReachTheConnectionManager() throws {
      try onFake {
        _ = try TestJob(
          2,
          settings {
            $0.trafficClass = 106
            $0.acknowledgeTimeoutExponent = 19
          })
        #expect(cfake_option(0) == 106)
        #expect(cfake_option(3) == 19)
      }
    }

    @Test func anInvitationOfTheOtherMethodIsRefused() throws {
      try onFake {
        let memories = [TestMemory(), TestMemory()]
        let near = try TestJob.endpoint(0, of: 2, byAddress: false, memories[0])
        let far = try TestJob.endpoint(1, of: 2, byAddress: true, memories[1])
        let error = #expect(throws: VerbsFabricError.self) {
          try near.connect([near.invitation, far.invitation], timeoutMilliseconds: 100)
        }
        #expect(error?.description.contains("MERINO_CONNECT have to be the same on all nodes") == true)
        let empty = #expect(throws: VerbsFabricError.self) {
          try far.connect([[], far.invitation], timeoutMilliseconds: 100)
        }
        #expect(empty?.description.contains("its invitation names no address") == true)
      }
    }

    @Test func keysOfTheWrongLengthAreRefused() throws {
      try onFake {
        let memory = TestMemory()
        let endpoint = try TestJob.endpoint(0, of: 1, memory)
        let early = #expect(throws: VerbsFabricError.self) { try endpoint.fabric([endpoint.keys]) }
        #expect(early?.description.contains("connections are up, and not all") == true)
        _ = try endpoint.connect([endpoint.invitation], timeoutMilliseconds: 1000)
        let error = #expect(throws: VerbsFabricError.self) { try endpoint.fabric([[1, 2, 3]]) }
        #expect(error?.description.contains("in 3 bytes, not in 24") == true)
        endpoint.close()
        let late = #expect(throws: VerbsFabricError.self) { try endpoint.fabric([endpoint.keys]) }
        #expect(late?.description.contains("closed") == true)
      }
    }

    @Test func nodesThatDoNotComeAreNamed() throws {
      try onFake {
        let memories = (0..<3).map { _ in TestMemory() }
        let endpoints = try (0..<3).map { try TestJob.endpoint($0, of: 3, memories[$0]) }
        let invitations = endpoints.map(\.invitation)
        // Node 0 calls nobody else: it waits for 1 and 2, which do not call.
        let error = #expect(throws: VerbsFabricError.self) {
          try endpoints[0].connect(invitations, timeoutMilliseconds: 50)
        }
        guard case .timedOut(let peers, let milliseconds) = error else {
          Issue.record("no time-out: \(String(describing: error))")
          return
        }
        #expect(peers == [1, 2] && milliseconds == 50)
        #expect(error?.description.contains("nodes 1, 2 over RDMA within 50 ms") == true)
      }
    }

    /// Whatever fails on the way, nothing is left behind.
    @Test(arguments: [
      "rdma_get_devices", "rdma_create_event_channel", "rdma_create_id", "rdma_bind_addr", "ibv_create_cq",
      "ibv_reg_mr",
    ])
    func aFailureWhileBeginningLeavesNothing(verb: String) throws {
      try onFake {
        let memory = TestMemory()
        let choice = try PortChoice(VerbsSettings())
        cfake_fail_next(verb, 12)
        let error = #expect(throws: VerbsFabricError.self) {
          try VerbsEndpoint(
            choice, VerbsSettings(), byAddress: true, memory: memory.memory, node: 0, nodeCount: 1,
            secret: TestJob.secret)
        }
        #expect(error?.description.contains("errno 12") == true)
      }
    }

    @Test(arguments: [
      "rdma_create_id", "rdma_resolve_addr", "rdma_create_qp", "rdma_connect", "rdma_accept",
      "rdma_set_option",
    ])
    func aFailureWhileConnectingLeavesNothing(verb: String) throws {
      try onFake {
        let memory = TestMemory()
        let endpoint = try TestJob.endpoint(0, of: 1, memory, settings { $0.trafficClass = 1 })
        cfake_fail_next(verb, 5)
        let error = #expect(throws: VerbsFabricError.self) {
          try endpoint.connect([endpoint.invitation], timeoutMilliseconds: 1000)
        }
        #expect(error?.description.contains("errno 5") == true && error?.description.contains(verb) == true)
      }
    }
  }
}
