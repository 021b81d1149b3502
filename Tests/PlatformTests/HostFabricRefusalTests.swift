import Fabric
import Glibc
import HostFabric
import Platform
import Testing

/// Mistakes that a NIC would refuse. A release build reports them in the flight; a debug build stops.
enum Mistake: String, CaseIterable, Codable, Sendable {
  case keyZero, keyOfNoChunk, keyOfOtherChunk, overChunkEnd, overControlEnd, addressWraps
  case negativeLength, foreignBuffer, unalignedAtomic, foreignAtomicResult

  var status: Int32 {
    switch self {
    case .negativeLength, .unalignedAtomic: HostStatus.invalidRequest
    case .foreignBuffer, .foreignAtomicResult: HostStatus.localProtection
    default: HostStatus.remoteAccess
    }
  }

  /// Makes the mistake in a batch to node 1, between two operations that are right.
  func make(_ fabric: HostFabric, _ batch: inout HostFabric.Batch, _ foreign: UnsafeMutableRawPointer) {
    let mine = fabric.memory.control
    let control = fabric.controlMemory(of: 1)
    func write(_ to: RemoteAddress, _ byteCount: Int = 16) {
      fabric.write(&batch, from: mine, byteCount: byteCount, to: to)
    }
    switch self {
    case .keyZero: write(RemoteAddress(address: 0, key: 0))
    case .keyOfNoChunk: write(RemoteAddress(address: 4 << 20, key: HostKey.firstChunk + 4))
    case .keyOfOtherChunk:
      write(RemoteAddress(address: 1 << 20, key: fabric.registerChunkInPlace(0)))
    case .overChunkEnd: write(fabric.frame((1 << 20) - 8, at: 1))
    case .overControlEnd: write(control.advanced(by: HostNodes.controlByteCount - 8))
    case .addressWraps: write(RemoteAddress(address: .max - 7, key: control.key))
    case .negativeLength: write(control, -1)
    case .foreignBuffer: fabric.read(&batch, from: control, into: foreign, byteCount: 8)
    case .unalignedAtomic:
      fabric.fetchAdd(&batch, at: control.advanced(by: 4), addend: 1, old: mine)
    case .foreignAtomicResult:
      fabric.compareAndSwap(&batch, at: control, expected: 0, desired: 1, old: foreign)
    }
  }

  /// The mistake, followed by a WRITE of 77 to node 1 that must not be executed any more.
  func run(_ fabric: HostFabric, _ flight: Flight) {
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { foreign in
      guard let start = foreign.baseAddress else { return }
      memset(start, 0x55, 64)
      var value: UInt64 = 77
      var batch = fabric.open(1, lane: 0)
      make(fabric, &batch, start)
      fabric.write(&batch, from: &value, byteCount: 8, to: fabric.controlMemory(of: 1).advanced(by: 512))
      fabric.submit(batch, flight)
      #expect(foreign.allSatisfy { $0 == 0x55 })
    }
  }
}

@Suite("HostFabric: mistakes")
struct HostFabricRefusalTests {
  #if DEBUG
    @Test("A debug build stops at a bad key, address, length or buffer", arguments: Mistake.allCases)
    func stops(_ mistake: Mistake) async throws {
      await #expect(processExitsWith: .failure) { [mistake] in
        let nodes = try HostNodes(count: 2)
        mistake.run(nodes.fabrics[0], nodes.flight(0))
      }
    }
  #else
    @Test("The flight fails with peer and status, and nothing is touched", arguments: Mistake.allCases)
    func refuses(_ mistake: Mistake) throws {
      let nodes = try HostNodes(count: 2)
      let (fabric, flight) = (nodes.fabrics[0], nodes.flight(0))
      memset(nodes.memories[0].control, 0x11, 64)
      mistake.run(fabric, flight)
      #expect(flight.pending.load() == 0)
      let control = UnsafeRawBufferPointer(
        start: nodes.memories[1].control, count: HostNodes.controlByteCount)
      let frames = UnsafeRawBufferPointer(start: nodes.memories[1].frames, count: 4 << 20)
      #expect(control.allSatisfy { $0 == 0 })
      #expect(frames.allSatisfy { $0 == 0 })
      // The next batch of the connection works again, and a second failure does not replace the first.
      mistake == .keyZero ? Mistake.negativeLength.run(fabric, flight) : Mistake.keyZero.run(fabric, flight)
      let expected = FabricFailure(reason: .completionError, peer: 1, status: mistake.status)
      #expect(flight.takeFailure() == expected)
      fabric.writeNow(1, from: nodes.memories[0].control, 8, to: fabric.controlMemory(of: 1), flight)
      #expect(flight.takeFailure() == nil)
      #expect(AtomicWord(nodes.memories[1].control).load() == 0x1111_1111_1111_1111)
    }
  #endif
}
