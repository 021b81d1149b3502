import CVerbs

/// Something that happened to a communication identifier. It was acknowledged already and refers to nothing.
public struct ConnectionEvent: ~Copyable, Sendable {
  /// What happened.
  public struct Kind: OpenEnumeration {
    /// The value of `enum rdma_cm_event_type`.
    public let rawValue: UInt32
    /// Any value, known or not.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The peer's address leads over a device.
    public static let addressResolved = Kind(rawValue: 0)
    /// No device leads to the address.
    public static let addressError = Kind(rawValue: 1)
    /// The way to the peer is known.
    public static let routeResolved = Kind(rawValue: 2)
    /// No way to the peer.
    public static let routeError = Kind(rawValue: 3)
    /// A peer asks a listener for a connection.
    public static let connectRequest = Kind(rawValue: 4)
    /// The peer answered, and the queue pair is not librdmacm's.
    public static let connectResponse = Kind(rawValue: 5)
    /// The connection failed.
    public static let connectError = Kind(rawValue: 6)
    /// The peer did not answer.
    public static let unreachable = Kind(rawValue: 7)
    /// The peer refused, or nothing listens.
    public static let rejected = Kind(rawValue: 8)
    /// The connection is up.
    public static let established = Kind(rawValue: 9)
    /// The connection ended.
    public static let disconnected = Kind(rawValue: 10)
    /// The device was removed.
    public static let deviceRemoval = Kind(rawValue: 11)
    /// The address moved to another device.
    public static let addressChange = Kind(rawValue: 14)
    /// The time after which the queue pair's number can be used again is over.
    public static let timeWaitExit = Kind(rawValue: 15)

    /// Names by raw value.
    public static let names: [StaticString] = [
      "address resolved", "address error", "route resolved", "route error", "connect request",
      "connect response",
      "connect error", "unreachable", "rejected", "established", "disconnected", "device removal",
      "multicast join",
      "multicast error", "address change", "time-wait exit",
    ]
  }

  /// What happened.
  public let kind: Kind
  /// The identifier; of a connect request, the listener.
  public let identifier: CommunicationIdentifier.ID
  /// An errno, or the reason of a reject; 0 for success.
  public let status: Int32
  /// What the peer sent along with a request, an answer or a reject. InfiniBand pads it with zeros: its
  /// length is the packet's and not what was given.
  public let privateData: [UInt8]
  /// READs and atomics that the peer wants to have in flight, for a request or an answer.
  public let readsWanted: Int
  /// READs and atomics in flight that the peer serves, for a request or an answer.
  public let readsServed: Int

  // Of a connect request: the new identifier, which whoever takes the event owns.
  private var request: CommunicationIdentifier?

  /// Copies an event; the caller acknowledges it afterwards.
  init(_ event: UnsafeMutablePointer<rdma_cm_event>, on channel: EventChannel) {
    let from = event.pointee
    kind = Kind(rawValue: UInt32(from.event.rawValue))
    status = from.status
    // The connection's parameters share memory with those of datagrams; they are given for these events only.
    let hasParameters = [.connectRequest, .connectResponse, .established, .rejected, .disconnected].contains(
      kind)
    let parameters = hasParameters ? from.param.conn : rdma_conn_param()
    privateData =
      parameters.private_data.map { data in
        [UInt8](UnsafeRawBufferPointer(start: data, count: Int(parameters.private_data_len)))
      } ?? []
    // In an event the two are named from the receiver's side: resources asked of it, depth granted to it.
    readsWanted = Int(parameters.responder_resources)
    readsServed = Int(parameters.initiator_depth)
    if kind == .connectRequest {
      identifier = CommunicationIdentifier.ID(from.listen_id)
      request = CommunicationIdentifier(adopting: from.id, on: channel)
    } else {
      identifier = CommunicationIdentifier.ID(from.id)
      request = nil
    }
  }

  /// The new identifier of a connect request, to be accepted or rejected; nil for other events. A request
  /// that is not taken is refused when the event ends.
  public consuming func takeRequest() -> CommunicationIdentifier? {
    request.take()
  }

  /// The event as an error, for whoever waited for another.
  public func unexpected(while verb: String, on object: String) -> VerbsError {
    VerbsError(verb, on: object, .connection(event: kind, status: status < 0 ? 0 &- status : status))
  }
}
