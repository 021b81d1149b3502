import Fabric
import Platform
import SimulatedFabric
import Testing

/// What the simulated fabric does not let pass.
@Suite struct FabricRulesTests {
  private func failure(
    _ shape: NetworkShape = NetworkShape(nodeCount: 2, inlineLimit: 0),
    _ body: @escaping (BareCluster) -> Void
  ) -> String {
    let cluster = BareCluster(seed: 1, shape)
    cluster.scheduler.spawn("culprit", node: 0) { body(cluster) }
    do {
      try cluster.scheduler.run()
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test func aFrameOfAnUnregisteredChunkIsOutOfReach() {
    func read(_ cluster: BareCluster, key: UInt32) {
      cluster.transfer(0, 1) { fabric, batch, _ in
        fabric.read(
          &batch, from: RemoteAddress(address: fabric.framesAddress(of: 1) + 128, key: key),
          into: cluster.control(0, 64), byteCount: 32)
      }
    }
    #expect(failure { read($0, key: 0) }.contains("bad key"))
    #expect(failure { read($0, key: $0.network.fabric(of: 1).registerChunkInPlace(0)) }.contains("bad key"))
    #expect(failure { read($0, key: $0.network.fabric(of: 1).registerChunkInPlace(1)) } == "")
    #expect(
      failure {
        let key = $0.network.fabric(of: 1).registerChunkInPlace(1)
        $0.network.fabric(of: 1).deregisterChunk(1)
        read($0, key: key)
      }.contains("bad key"))
  }

  @Test func buffersLieInRegisteredMemory() {
    func write(_ cluster: BareCluster, from source: UnsafeMutableRawPointer) {
      cluster.transfer(0, 1) { fabric, batch, there in
        fabric.write(&batch, from: source, byteCount: 16, to: there.advanced(by: 64))
      }
    }
    let elsewhere = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 8)
    elsewhere.initializeMemory(as: UInt8.self, repeating: 0, count: 16)
    defer { elsewhere.deallocate() }
    #expect(failure { write($0, from: elsewhere) }.contains("outside registered memory"))
    #expect(
      failure { write($0, from: $0.network.fabric(of: 0).memory.frames) }.contains(
        "outside registered memory"))
    #expect(failure { write($0, from: $0.control(0, 64)) } == "")
    #expect(failure(NetworkShape(nodeCount: 2, inlineLimit: 16)) { write($0, from: elsewhere) } == "")
  }

  @Test func addressesBelongToTheTarget() {
    #expect(
      failure { cluster in
        cluster.transfer(0, 1) { fabric, batch, _ in
          fabric.read(
            &batch, from: fabric.controlMemory(of: 0), into: cluster.control(0, 64), byteCount: 8)
        }
      }.contains("another node"))
    #expect(
      failure { cluster in
        cluster.transfer(0, 1) { fabric, batch, there in
          fabric.fetchAdd(&batch, at: there.advanced(by: 4), addend: 1, old: cluster.control(0, 64))
        }
      }.contains("aligned"))
    #expect(
      failure { cluster in
        cluster.transfer(0, 1) { fabric, batch, there in
          fabric.read(
            &batch, from: there.advanced(by: BareCluster.controlBytes - 4), into: cluster.control(0, 64),
            byteCount: 8)
        }
      }.contains("bad key"))
  }

  @Test func batchesAreCriticalSectionsOneAtATime() {
    #expect(
      failure { _ = $0.network.fabric(of: 0).open(1, lane: 0) }.contains("outside a critical section"))
    #expect(
      failure {
        _ = $0.scheduler.enterCritical()
        _ = $0.network.fabric(of: 0).open(1, lane: 0)
        _ = $0.network.fabric(of: 0).open(0, lane: 0)
      }.contains("another one still open"))
    #expect(
      failure {
        let saved = $0.scheduler.enterCritical()
        _ = $0.network.fabric(of: 0).open(1, lane: 0)
        $0.scheduler.leaveCritical(saved)
      }.contains("batch open"))
    #expect(failure { _ = $0.network.fabric(of: 0).open(1, lane: 1) }.contains("no such connection"))
  }

  @Test func waitingForNothingIsADeadlockWithADump() {
    let text = failure { cluster in
      cluster.scheduler.note("a wait for Godot", 3)
      while true { cluster.scheduler.pause() }
    }
    #expect(text.contains("Deadlock"))
    #expect(text.contains("culprit waits in a wait for Godot 3"))
  }

  @Test func aSeedNamesOneHistory() throws {
    func history(_ seed: UInt64) throws -> [String] {
      let cluster = BareCluster(seed: seed, NetworkShape(nodeCount: 3, laneCount: 2))
      var lines: [String] = []
      cluster.scheduler.trace = { lines.append($0) }
      for node in 0...2 {
        cluster.scheduler.spawn("node \(node)", node: node) {
          for peer in 0...2 {
            cluster.transfer(node, peer, lane: node & 1) { fabric, batch, there in
              fabric.fetchAdd(
                &batch, at: there.advanced(by: 128), addend: 1, old: cluster.control(node, 64))
              fabric.read(&batch, from: there, into: cluster.control(node, 192), byteCount: 32)
            }
          }
        }
      }
      try cluster.scheduler.run()
      return lines
    }
    let first = try history(5)
    #expect(first.count > 50)
    #expect(try history(5) == first)
    #expect(try history(6) != first)
  }
}
