/// A value of an enumeration of the C libraries or the hardware. Newer libraries and devices report values
/// that this code does not know: they are kept as they are and show as "unknown (17)".
public protocol OpenEnumeration: RawRepresentable, Hashable, Sendable, CustomStringConvertible
where RawValue == UInt32 {
  /// The names of raw values 0, 1, 2 and so on; empty where no value is defined.
  static var names: [StaticString] { get }
}

extension OpenEnumeration {
  /// The value's name, or "unknown (N)".
  public var description: String {
    let names = Self.names
    if Int(rawValue) < names.count, names[Int(rawValue)].utf8CodeUnitCount > 0 {
      return "\(names[Int(rawValue)])"
    }
    return "unknown (\(rawValue))"
  }
}

/// What a port is doing.
public struct PortState: OpenEnumeration {
  /// The value of `enum ibv_port_state`.
  public let rawValue: UInt32
  /// Any value, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// No link.
  public static let down = PortState(rawValue: 1)
  /// A link that the subnet manager has not configured.
  public static let initializing = PortState(rawValue: 2)
  /// Configured, not yet active.
  public static let armed = PortState(rawValue: 3)
  /// Ready for traffic.
  public static let active = PortState(rawValue: 4)

  /// Names by raw value.
  public static let names: [StaticString] = [
    "", "down", "initializing", "armed", "active", "active, deferred",
  ]
}

/// What a port's packets travel over.
public struct LinkLayer: OpenEnumeration {
  /// The value of the link layer's constant.
  public let rawValue: UInt32
  /// Any value, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The device does not say; InfiniBand by convention.
  public static let unspecified = LinkLayer(rawValue: 0)
  /// InfiniBand: peers are addressed by LID.
  public static let infiniBand = LinkLayer(rawValue: 1)
  /// Ethernet (RoCE or iWARP): peers are addressed by GID.
  public static let ethernet = LinkLayer(rawValue: 2)

  /// Names by raw value.
  public static let names: [StaticString] = ["unspecified", "InfiniBand", "Ethernet"]
}

/// Against what a device's atomics are atomic.
public struct AtomicCapability: OpenEnumeration {
  /// The value of `enum ibv_atomic_cap`.
  public let rawValue: UInt32
  /// Any value, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The device has no atomics.
  public static let none = AtomicCapability(rawValue: 0)
  /// Against the atomics of the same device.
  public static let device = AtomicCapability(rawValue: 1)
  /// Against every access, the processor's included.
  public static let global = AtomicCapability(rawValue: 2)

  /// Names by raw value.
  public static let names: [StaticString] = ["none", "among the device's own", "against every access"]
}

/// The state of a queue pair.
public struct QueuePairState: OpenEnumeration {
  /// The value of `enum ibv_qp_state`.
  public let rawValue: UInt32
  /// Any value, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Just made.
  public static let reset = QueuePairState(rawValue: 0)
  /// Receives can be posted.
  public static let initialized = QueuePairState(rawValue: 1)
  /// Ready to receive: it answers its peer's requests.
  public static let readyToReceive = QueuePairState(rawValue: 2)
  /// Ready to send: anything can be posted.
  public static let readyToSend = QueuePairState(rawValue: 3)
  /// The send queue drains.
  public static let sendQueueDrained = QueuePairState(rawValue: 4)
  /// The send queue failed.
  public static let sendQueueError = QueuePairState(rawValue: 5)
  /// Failed or disconnected: everything posted comes back flushed.
  public static let error = QueuePairState(rawValue: 6)

  /// Names by raw value.
  public static let names: [StaticString] = [
    "reset", "initialized", "ready to receive", "ready to send", "send queue drained", "send queue error",
    "error",
  ]
}

/// The largest payload of a packet on a path.
public struct PathMTU: OpenEnumeration {
  /// The value of `enum ibv_mtu`: 1 for 256 bytes up to 5 for 4096.
  public let rawValue: UInt32
  /// Any value, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// 1024 bytes: what a RoCE interface of MTU 1500 gives.
  public static let bytes1024 = PathMTU(rawValue: 3)
  /// 4096 bytes: needs an interface MTU of 4200 or more on RoCE.
  public static let bytes4096 = PathMTU(rawValue: 5)

  /// The payload in bytes; 0 for a value that this code does not know.
  public var byteCount: Int { (1...5).contains(rawValue) ? 128 << Int(rawValue) : 0 }

  /// Names by raw value.
  public static let names: [StaticString] = [
    "", "256 bytes", "512 bytes", "1024 bytes", "2048 bytes", "4096 bytes",
  ]
}
