import CFakeProvider
import Testing
import Verbs

@testable import VerbsFabric

/// What nodes tell each other to get connected, spoilt.
@Suite struct InvitationTests {
  @Test func theyComeBack() {
    let address = AddressInvitation(AddressInvitation.bytes(host: "192.0.2.1", port: 0xABCD))
    #expect(address?.host == "192.0.2.1" && address?.port == 0xABCD)
    let end = QueuePairAddress(
      localID: 1, globalIdentifier: GlobalIdentifier(prefix: 2, interface: 3), queuePairNumber: 4,
      packetNumber: 5)
    let ends = ExchangeInvitation(
      ExchangeInvitation.bytes(pathMTU: .bytes4096, readsServed: 16, addresses: end.bytes + end.bytes),
      endCount: 2)
    #expect(ends?.pathMTU == .bytes4096 && ends?.readsServed == 16)
    #expect(ends?.address(0) == end && ends?.address(1) == end)
    #expect(ends?.address(2) == nil && ends?.address(-1) == nil && ends?.address(.max) == nil)
  }

  @Test func anyBytesAreAnInvitationOrNone() {
    var state: UInt64 = 7
    func random(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(truncatingIfNeeded: state >> 33) % count
    }
    let greeting = Greeting(secret: (1, 2))
    let good = greeting.offer(VerbsSettings(), node: 3, lane: 1).privateData
    var (invited, greeted) = (0, 0)
    for _ in 0..<20_000 {
      let endCount = random(3)
      let isWhole = random(2) == 0
      var bytes = (0..<(isWhole ? 2 + 28 * endCount : random(64))).map { _ in UInt8(random(256)) }
      if isWhole { bytes[0] = UInt8(random(8)) }
      _ = AddressInvitation(bytes)
      if let ends = ExchangeInvitation(bytes, endCount: endCount) {
        invited += 1
        for index in -1..<4 { _ = ends.address(index) }
      }
      bytes = good
      bytes[random(bytes.count)] ^= UInt8(random(4))
      if random(4) == 0 { bytes.removeLast(random(bytes.count)) }
      if greeting.sender(bytes) != nil { greeted += 1 }
    }
    #expect(invited > 1000 && greeted > 1000, "\(invited) \(greeted)")
  }

  /// The hot path adds to what a peer announced: that must not end where addresses end.
  @Test func memoryBeyondAllAddressesIsRefused() throws {
    func error(_ control: UInt64, _ frames: UInt64) -> String? {
      let bytes = MemoryAnnouncement.bytes(controlAddress: control, framesAddress: frames, controlKey: 9)
      do throws(VerbsFabricError) {
        let read = try MemoryAnnouncement(bytes, of: 5, controlByteCount: 4096, framesByteCount: 1 << 20)
        #expect(read.controlAddress == control && read.framesAddress == frames && read.controlKey == 9)
        return nil
      } catch {
        return error.description
      }
    }
    #expect(error(1 << 46, 1 << 45) == nil)
    #expect(error(.max - 100, 0)?.contains("node 5 announced 4096 bytes of memory at 0x") == true)
    #expect(error(0, .max - 4096)?.contains("node 5 announced 1048576 bytes") == true)
    #expect(throws: VerbsFabricError.self) {
      try MemoryAnnouncement([1], of: 5, controlByteCount: 1, framesByteCount: 1)
    }
  }
}
