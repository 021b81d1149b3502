import Fabric
import Testing

@testable import HostFabric
@testable import NodeFabric
@testable import VerbsFabric

/// The fabric of a process is one of two, and a batch is of the fabric that opened it.
@Suite struct NodeFabricTests {
  struct Operation: CustomTestStringConvertible, Sendable, Codable {
    let number: Int
    var testDescription: String { ["read", "write", "compareAndSwap", "fetchAdd", "submit"][number] }

    /// Carries it out on a batch of the other fabric. Nothing of either is there, so what is done at all ends
    /// the process, too, but by a signal.
    func run() {
      let memory = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 4096)
      memory.initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
      let peers = UnsafeMutablePointer<HostPeer>.allocate(capacity: 1)
      peers.initialize(to: HostPeer(control: memory, frames: memory))
      let own = NodeMemory(
        control: memory, controlByteCount: 4096, frames: memory, framesByteCount: 4096, chunkByteCount: 4096)
      let fabric = NodeFabric.host(HostFabric(node: 0, nodeCount: 1, memory: own, peers: peers))
      var batch = NodeFabric.Batch.verbs(VerbsBatch(VerbsConnection(memory + 1024), number: 0, queueMask: 63))
      let there = RemoteAddress(address: 0, key: 0)
      switch number {
      case 0: fabric.read(&batch, from: there, into: memory, byteCount: 8)
      case 1: fabric.write(&batch, from: memory, byteCount: 8, to: there)
      case 2: fabric.compareAndSwap(&batch, at: there, expected: 0, desired: 1, old: memory)
      case 3: fabric.fetchAdd(&batch, at: there, addend: 1, old: memory)
      default: fabric.submit(batch, Flight(memory + 2048))
      }
    }
  }

  @Test(arguments: (0..<5).map(Operation.init))
  func aBatchOfTheOtherFabricIsNotPassedOver(_ operation: Operation) async {
    await #expect(processExitsWith: .failure) { [operation] in operation.run() }
  }
}
