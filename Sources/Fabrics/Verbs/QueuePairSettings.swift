import CVerbs

/// How much a queue pair holds.
public struct QueuePairCapacity: Sendable, Equatable {
  /// Send requests posted and not yet reported.
  public var sendRequests: Int
  /// Receives posted and not yet used.
  public var receiveRequests: Int
  /// Longest data in bytes that is copied when it is posted.
  public var inlineByteCount: Int

  /// A capacity as its parts.
  public init(sendRequests: Int = 128, receiveRequests: Int = 16, inlineByteCount: Int = 64) {
    self.sendRequests = sendRequests
    self.receiveRequests = receiveRequests
    self.inlineByteCount = inlineByteCount
  }

  init(_ granted: ibv_qp_cap) {
    self.init(
      sendRequests: Int(granted.max_send_wr), receiveRequests: Int(granted.max_recv_wr),
      inlineByteCount: Int(granted.max_inline_data))
  }

  func attributes(
    send: CompletionQueue, receive: CompletionQueue, signalsAll: Bool
  ) -> ibv_qp_init_attr {
    var attributes = ibv_qp_init_attr()
    attributes.send_cq = send.pointer
    attributes.recv_cq = receive.pointer
    attributes.qp_type = IBV_QPT_RC
    attributes.sq_sig_all = signalsAll ? 1 : 0
    attributes.cap.max_send_wr = UInt32(clamping: sendRequests)
    attributes.cap.max_recv_wr = UInt32(clamping: receiveRequests)
    attributes.cap.max_send_sge = 1
    attributes.cap.max_recv_sge = 1
    attributes.cap.max_inline_data = UInt32(clamping: inlineByteCount)
    return attributes
  }
}

/// What two sides exchange, by any means, to connect their queue pairs without librdmacm.
public struct QueuePairAddress: Sendable, Equatable {
  /// The port's LID; 0 on Ethernet.
  public var localID: UInt16
  /// The port's GID.
  public var globalIdentifier: GlobalIdentifier
  /// The queue pair's number, 24 bits.
  public var queuePairNumber: UInt32
  /// The first packet's number, 24 bits; any value, best a random one.
  public var packetNumber: UInt32

  /// An address as its parts.
  public init(
    localID: UInt16, globalIdentifier: GlobalIdentifier, queuePairNumber: UInt32, packetNumber: UInt32
  ) {
    self.localID = localID
    self.globalIdentifier = globalIdentifier
    self.queuePairNumber = queuePairNumber
    self.packetNumber = packetNumber & 0xFF_FFFF
  }

  /// Bytes of its form for the wire.
  public static let byteCount = 28

  /// A fixed form for the wire, big-endian: GID, queue pair number, packet number, LID, two bytes of zero.
  public var bytes: [UInt8] {
    var bytes: [UInt8] = []
    func append(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.bigEndian) { bytes += $0 }
    }
    append(globalIdentifier.prefix)
    append(globalIdentifier.interface)
    append(queuePairNumber)
    append(packetNumber)
    append(UInt32(localID) << 16)
    return bytes
  }

  /// Reads the form for the wire; nil where the length is wrong or the numbers are too large.
  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    func value(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
    let number = UInt32(value(16..<20))
    let packet = UInt32(value(20..<24))
    guard number <= 0xFF_FFFF, packet <= 0xFF_FFFF else { return nil }
    self.init(
      localID: UInt16(value(24..<26)),
      globalIdentifier: GlobalIdentifier(prefix: value(0..<8), interface: value(8..<16)),
      queuePairNumber: number, packetNumber: packet)
  }
}

/// How a connection that is made by hand behaves.
public struct ConnectionSettings: Sendable {
  /// This side's port, from 1.
  public var port = 1
  /// This side's entry of the GID table; nil to address by LID, within one InfiniBand subnet.
  public var gidIndex: Int?
  /// Payload of packets; both sides give the same, at most the active MTU of either port.
  public var pathMTU = PathMTU.bytes1024
  /// Index into the port's table of partition keys.
  public var partitionKeyIndex = 0
  /// InfiniBand's service level, 0...15.
  public var serviceLevel = 0
  /// The IP header's traffic class on RoCE.
  public var trafficClass = 0
  /// Routers that packets may pass.
  public var hopLimit = 64
  /// READs and atomics of the peer that are served at a time.
  public var readsAsTarget = 16
  /// READs and atomics of this side in flight; at most what the peer serves.
  public var readsAsInitiator = 16
  /// Time to wait for an acknowledgement: 4.096 us times 2 to this power, 0...31; 0 waits for ever.
  public var acknowledgeTimeoutExponent = 14
  /// Retransmissions, 0...7.
  public var retryCount = 7
  /// Retries where the peer has no receive posted, 0...7; 7 for ever.
  public var receiverNotReadyRetryCount = 7
  /// Code of the time that a peer is asked to wait where no receive is posted; 12 is 0.64 ms.
  public var receiverNotReadyTimer = 12

  /// The defaults.
  public init() {}
}
