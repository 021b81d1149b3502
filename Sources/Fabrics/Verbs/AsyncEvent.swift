import CVerbs

/// Something that happened to a device, a port, a queue pair or a completion queue by itself.
public struct AsyncEvent: Sendable, CustomStringConvertible {
  /// What happened.
  public struct Kind: OpenEnumeration {
    /// The value of `enum ibv_event_type`.
    public let rawValue: UInt32
    /// Any value, known or not.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A completion queue overflowed or failed.
    public static let completionQueueError = Kind(rawValue: 0)
    /// A queue pair failed.
    public static let queuePairFatal = Kind(rawValue: 1)
    /// A request to a queue pair was invalid.
    public static let queuePairRequestError = Kind(rawValue: 2)
    /// A request to a queue pair violated access rights.
    public static let queuePairAccessError = Kind(rawValue: 3)
    /// The first packet came before the connection was reported.
    public static let communicationEstablished = Kind(rawValue: 4)
    /// The device failed.
    public static let deviceFatal = Kind(rawValue: 8)
    /// A port became active.
    public static let portActive = Kind(rawValue: 9)
    /// A port went down.
    public static let portError = Kind(rawValue: 10)
    /// The GID table changed.
    public static let gidChange = Kind(rawValue: 18)

    /// Names by raw value.
    public static let names: [StaticString] = [
      "completion queue error", "queue pair fatal error", "queue pair request error",
      "queue pair access error",
      "communication established", "send queue drained", "path migrated", "path migration failed",
      "device fatal error",
      "port active", "port error", "LID change", "P_Key change", "subnet manager change",
      "shared receive queue error",
      "shared receive queue limit reached", "last request of the receive queue reached", "client reregister",
      "GID change", "work queue fatal error",
    ]
  }

  /// What it happened to. Identities and no references: the object may be closed already.
  public enum Subject: Sendable, Equatable {
    /// The queue pair of this number.
    case queuePair(number: UInt32)
    /// The completion queue of this identity.
    case completionQueue(CompletionQueue.ID)
    /// A port, from 1.
    case port(Int)
    /// The device, or an object of a kind that this library does not make.
    case device
  }

  /// What happened.
  public let kind: Kind
  /// What it happened to.
  public let subject: Subject

  init(_ event: ibv_async_event) {
    kind = Kind(rawValue: UInt32(event.event_type.rawValue))
    switch kind.rawValue {
    case 0: subject = .completionQueue(CompletionQueue.ID(event.element.cq))
    case 1...7, 16: subject = .queuePair(number: event.element.qp.pointee.qp_num)
    case 9...13, 17, 18: subject = .port(Int(event.element.port_num))
    default: subject = .device
    }
  }

  /// "port error (port 1)"
  public var description: String {
    switch subject {
    case .queuePair(let number): "\(kind) (queue pair \(number))"
    case .completionQueue: "\(kind)"
    case .port(let port): "\(kind) (port \(port))"
    case .device: "\(kind)"
    }
  }
}
