import Glibc
import Testing
import Verbs

/// The host's own device, if it has one that is active.
enum RealDevice {
  /// Why the tests of a real device are skipped; nil where they run.
  static let missing: String? = {
    do {
      _ = try DeviceSelection.first(DeviceRequirements())
      return nil
    } catch {
      return "no real device: \(error)"
    }
  }()

  /// An IPv4 address that the device has, for librdmacm.
  static func address(of selection: DeviceSelection) throws -> String? {
    try selection.context.globalIdentifiers(port: selection.port).first { $0.identifier.ipv4 != nil }?
      .identifier.description
  }
}

@Suite(.enabled(if: RealDevice.missing == nil, "\(RealDevice.missing ?? "")")) struct RealDeviceTests {
  @Test func connectionsByAddress() throws {
    let selection = try DeviceSelection.first(DeviceRequirements())
    let address = try RealDevice.address(of: selection)
    try connectAndMove(host: try #require(address, "the device has no IPv4 address"))
  }

  @Test func connectionsByHand() throws {
    let selection = try DeviceSelection.first(DeviceRequirements())
    let domain = try ProtectionDomain(selection.context)
    let queue = try CompletionQueue(selection.context, capacity: 16)
    let left = try QueuePair(domain, send: queue, receive: queue)
    let right = try QueuePair(domain, send: queue, receive: queue)
    var settings = ConnectionSettings()
    settings.port = selection.port
    settings.pathMTU = selection.portAttributes.activeMTU
    if selection.portAttributes.linkLayer == .ethernet {
      settings.gidIndex = try selection.context.globalIdentifiers(port: selection.port).last?.index
    }
    let reads = min(
      selection.attributes.maximumReadsAsInitiator, selection.attributes.maximumReadsAsTarget, 4)
    settings.readsAsInitiator = reads
    settings.readsAsTarget = reads
    try connect(left, to: right, settings)
    try connect(right, to: left, settings)

    let region = try MemoryRegion(domain, allocating: 8192, access: .all)
    region.bytes.storeBytes(of: 5, toByteOffset: 4096, as: UInt64.self)
    var batch = SendBatch(capacity: 3)
    let word = region.remote(offset: 4096)
    batch.chain.write(
      id: 1, from: region.local(offset: 4096, byteCount: 8), to: region.remote(offset: 4104), flags: .inline)
    batch.chain.compareAndSwap(
      id: 2, at: word, expected: 5, desired: 6, old: region.local(offset: 0, byteCount: 8))
    batch.chain.read(
      id: 3, from: word, into: region.local(offset: 16, byteCount: 16), flags: .signaled)
    try left.post(batch)
    let ended = try waitForOne(queue)
    #expect(ended?.id == 3 && ended?.status == .success)
    #expect(region.bytes.load(as: UInt64.self) == 5)
    #expect(region.bytes.load(fromByteOffset: 16, as: UInt64.self) == 6)
    #expect(region.bytes.load(fromByteOffset: 24, as: UInt64.self) == 5)
    try left.close()
    try right.close()
    try region.close()
  }
}
