import Verbs

/// Waits for the other end of a floor's connection.
public final class FloorListener {
  private let devices: ConnectionManagerDevices
  private let channel: EventChannel
  private let listener: CommunicationIdentifier
  /// The address that leads to this end's device.
  public let host: String
  /// The port, chosen by the system.
  public let port: Int

  /// Listens at the IP address of the first active port.
  ///
  /// - Parameter demand: only this device, as `DeviceDemand` reads it; nil for any.
  /// - Throws: `VerbsError` that says of each device why it does not do; `FloorFailure`.
  public init(demand: String?) throws {
    var requirements = DeviceRequirements()
    if let demand {
      guard let read = DeviceDemand(demand) else {
        throw FloorFailure(
          "MERINO_DEVICE=\(demand) names no device: write name or name:port, as in mlx5_0:1.")
      }
      requirements.restrict(to: read)
    }
    requirements.needsAtomics = true
    let selection = try DeviceSelection.first(requirements)
    let addresses = try selection.context.globalIdentifiers(port: selection.port).filter {
      $0.identifier.ipv4 != nil
    }
    guard let address = addresses.first else {
      throw FloorFailure(
        "\(selection.context.deviceName) port \(selection.port) has no IPv4 address: give its interface one.")
    }
    host = "\(address.identifier)"
    devices = try ConnectionManagerDevices()
    channel = try EventChannel()
    let listener = try CommunicationIdentifier(channel)
    try listener.bind(to: SocketAddress(host: host, port: 0))
    try listener.listen()
    port = try listener.localAddress().port
    self.listener = listener
  }

  /// Takes the one connection that is made.
  ///
  /// - Parameter halfByteCount: bytes that either end lends; the same at both.
  public func accept(halfByteCount: Int, timeoutMilliseconds: Int) throws -> FloorEnd {
    let event = try channel.expect(
      .connectRequest, after: "rdma_listen", timeoutMilliseconds: timeoutMilliseconds)
    var offer = ConnectionOffer(answering: event, limit: 128)
    let remote = try FloorResources.remote(announced: event.privateData)
    guard var peer = event.takeRequest() else {
      throw FloorFailure("a connection request came without a connection.")
    }
    let resources = try FloorResources(&peer, devices, halfByteCount: halfByteCount)
    offer.privateData = resources.announcement
    try peer.accept(offer)
    _ = try channel.expect(
      .established, after: "rdma_accept", timeoutMilliseconds: timeoutMilliseconds)
    return FloorEnd(peer, resources, remote: remote)
  }
}

extension FloorEnd {
  /// Connects to a `FloorListener`.
  public static func connect(
    host: String, port: Int, halfByteCount: Int, timeoutMilliseconds: Int
  ) throws -> FloorEnd {
    let devices = try ConnectionManagerDevices()
    let channel = try EventChannel()
    var identifier = try CommunicationIdentifier(channel)
    try identifier.resolveAddress(
      SocketAddress(host: host, port: port), timeoutMilliseconds: timeoutMilliseconds)
    _ = try channel.expect(
      .addressResolved, after: "rdma_resolve_addr", timeoutMilliseconds: timeoutMilliseconds)
    try identifier.resolveRoute(timeoutMilliseconds: timeoutMilliseconds)
    _ = try channel.expect(
      .routeResolved, after: "rdma_resolve_route", timeoutMilliseconds: timeoutMilliseconds)
    let resources = try FloorResources(&identifier, devices, halfByteCount: halfByteCount)
    var offer = ConnectionOffer()
    offer.privateData = resources.announcement
    try identifier.connect(offer)
    let answer = try channel.expect(
      .established, after: "rdma_connect", timeoutMilliseconds: timeoutMilliseconds)
    let remote = try FloorResources.remote(announced: answer.privateData)
    return FloorEnd(identifier, resources, remote: remote)
  }
}
