import Testing
import Verbs

/// Values and their texts: no device is needed.
@Suite struct ValueTests {
  @Test func unknownValuesAreKept() {
    #expect(PortState(rawValue: 77).description == "unknown (77)")
    #expect(PortState(rawValue: 0).description == "unknown (0)")
    #expect(PortState.active.description == "active")
    #expect(PathMTU(rawValue: 9).byteCount == 0)
    #expect(PathMTU.bytes4096.byteCount == 4096 && PathMTU.bytes1024.byteCount == 1024)
    #expect(WorkCompletion.Operation(rawValue: 128).description == "receive")
    #expect(WorkCompletion.Operation(rawValue: 57).description == "unknown (57)")
    #expect(ConnectionEvent.Kind(rawValue: 40).description == "unknown (40)")
  }

  @Test func everyCompletionStatusHasACause() {
    for raw in 1..<UInt32(CompletionStatus.names.count) {
      #expect(!CompletionStatus(rawValue: raw).usualCause.isEmpty)
      #expect(!CompletionStatus(rawValue: raw).usualCause.contains("does not know"), "\(raw)")
    }
    #expect(CompletionStatus(rawValue: 24).usualCause.contains("does not know"))
    #expect(CompletionStatus.retriesExceeded.usualCause.contains("path MTU"))
  }

  @Test func addressesOfQueuePairsSurviveTheWire() {
    let address = QueuePairAddress(
      localID: 0x1234,
      globalIdentifier: GlobalIdentifier(prefix: 0xFE80 << 48, interface: 0x0102_0304_0506_0708),
      queuePairNumber: 0x00AB_CDEF, packetNumber: 0x0012_3456)
    #expect(address.bytes.count == QueuePairAddress.byteCount)
    #expect(QueuePairAddress(bytes: address.bytes) == address)
    #expect(address.bytes.prefix(2) == [0xFE, 0x80])
    #expect(QueuePairAddress(bytes: Array(address.bytes.dropLast())) == nil)
    var tooLarge = address.bytes
    tooLarge[16] = 1
    #expect(QueuePairAddress(bytes: tooLarge) == nil)
  }

  @Test func requirementsRefuseInWords() {
    var device = DeviceAttributes()
    device.maximumReadsAsInitiator = 4
    device.maximumReadsAsTarget = 16
    device.atomics = .device
    var port = PortAttributes()
    port.state = .active
    var requirements = DeviceRequirements()
    #expect(requirements.refusal(device: "a", device, port: 1, port) == nil)
    requirements.readsInFlight = 8
    let few = requirements.refusal(device: "a", device, port: 1, port)
    #expect(few?.description == "it allows 4 READs in flight and 8 are needed")
    requirements.readsInFlight = 4
    requirements.port = 2
    #expect(requirements.refusal(device: "a", device, port: 1, port)?.description == "port 2 was demanded")
    port.state = PortState(rawValue: 1)
    #expect(
      requirements.refusal(device: "a", device, port: 2, port)?.description.hasPrefix("the port is down")
        == true)
  }

  @Test func socketAddressesAreParsedAndWritten() throws {
    #expect(try SocketAddress(host: "192.0.2.7", port: 7471).description == "192.0.2.7:7471")
    #expect(try SocketAddress(host: "::1", port: 80).description == "[::1]:80")
    #expect(try SocketAddress(host: nil, port: 5).description == "0.0.0.0:5")
  }
}
