import CVerbs

/// What a device can do.
public struct DeviceAttributes: Sendable {
  /// Version of the firmware.
  public var firmwareVersion = ""
  /// The vendor's number.
  public var vendorID: UInt32 = 0
  /// Ports, numbered from 1.
  public var portCount = 0
  /// Largest region of memory in bytes.
  public var maximumRegionByteCount: UInt64 = 0
  /// Most regions.
  public var maximumRegionCount = 0
  /// Most queue pairs.
  public var maximumQueuePairCount = 0
  /// Most requests in a send or receive queue.
  public var maximumRequestsPerQueue = 0
  /// Most entries of a completion queue.
  public var maximumCompletionEntries = 0
  /// READs and atomics in flight that a queue pair can serve as the target.
  public var maximumReadsAsTarget = 0
  /// READs and atomics in flight that a queue pair can have as the initiator.
  public var maximumReadsAsInitiator = 0
  /// Against what the device's atomics are atomic.
  public var atomics = AtomicCapability.none

  /// Attributes to fill by hand, as in tests.
  public init() {}

  init(_ from: ibv_device_attr) {
    var from = from
    firmwareVersion = withUnsafeBytes(of: &from.fw_ver) { bytes in
      String(decoding: bytes.prefix(while: { $0 != 0 }), as: UTF8.self)
    }
    vendorID = from.vendor_id
    portCount = Int(from.phys_port_cnt)
    maximumRegionByteCount = from.max_mr_size
    maximumRegionCount = Int(from.max_mr)
    maximumQueuePairCount = Int(from.max_qp)
    maximumRequestsPerQueue = Int(from.max_qp_wr)
    maximumCompletionEntries = Int(from.max_cqe)
    maximumReadsAsTarget = Int(from.max_qp_rd_atom)
    maximumReadsAsInitiator = Int(from.max_qp_init_rd_atom)
    atomics = AtomicCapability(rawValue: UInt32(from.atomic_cap.rawValue))
  }
}

/// What a port is and does.
public struct PortAttributes: Sendable {
  /// What the port is doing.
  public var state = PortState.down
  /// What its packets travel over.
  public var linkLayer = LinkLayer.unspecified
  /// The path MTU in force.
  public var activeMTU = PathMTU.bytes1024
  /// The largest path MTU.
  public var maximumMTU = PathMTU.bytes1024
  /// The InfiniBand address in the subnet; 0 on Ethernet.
  public var localID: UInt16 = 0
  /// Entries of the GID table, the empty ones included.
  public var gidTableCount = 0
  /// Longest message in bytes.
  public var maximumMessageByteCount: UInt32 = 0

  /// Attributes to fill by hand, as in tests.
  public init() {}

  init(_ from: ibv_port_attr) {
    state = PortState(rawValue: UInt32(from.state.rawValue))
    linkLayer = LinkLayer(rawValue: UInt32(from.link_layer))
    activeMTU = PathMTU(rawValue: UInt32(from.active_mtu.rawValue))
    maximumMTU = PathMTU(rawValue: UInt32(from.max_mtu.rawValue))
    localID = from.lid
    gidTableCount = Int(from.gid_tbl_len)
    maximumMessageByteCount = from.max_msg_sz
  }
}
