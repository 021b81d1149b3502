/// What a program needs of a device and its port.
public struct DeviceRequirements: Sendable {
  /// Only the device of this name; nil for any.
  public var deviceName: String?
  /// Only this port, from 1; nil for any.
  public var port: Int?
  /// Only ports of this link layer; nil for any.
  public var linkLayer: LinkLayer?
  /// Whether compare-and-swap and fetch-and-add are needed.
  public var needsAtomics = false
  /// READs and atomics in flight that a queue pair must be able to have and to serve.
  public var readsInFlight = 1

  /// Any device with an active port.
  public init() {}

  /// Why a port does not do, nil if it does.
  public func refusal(
    device name: String, _ device: DeviceAttributes, port number: Int, _ port: PortAttributes
  ) -> PassedOver.Reason? {
    if let deviceName, deviceName != name { return .otherDeviceDemanded(deviceName) }
    if let demanded = self.port, demanded != number { return .otherPortDemanded(demanded) }
    if needsAtomics, device.atomics == .none { return .noAtomics }
    let reads = min(device.maximumReadsAsInitiator, device.maximumReadsAsTarget)
    if reads < readsInFlight { return .tooFewReads(has: reads, needs: readsInFlight) }
    if let linkLayer, port.linkLayer != linkLayer { return .otherLinkLayer(port.linkLayer) }
    if port.state != .active { return .portNotActive(port.state) }
    return nil
  }
}

/// A device or port that was not chosen, and why.
public struct PassedOver: Sendable, CustomStringConvertible {
  /// Why a device or port was not chosen.
  public enum Reason: Sendable, CustomStringConvertible {
    /// The requirements name another device.
    case otherDeviceDemanded(String)
    /// The requirements name another port.
    case otherPortDemanded(Int)
    /// No atomic operations.
    case noAtomics
    /// Too few READs in flight.
    case tooFewReads(has: Int, needs: Int)
    /// The port is of another link layer than demanded.
    case otherLinkLayer(LinkLayer)
    /// The port is not active.
    case portNotActive(PortState)
    /// The device has no port.
    case noPort
    /// The device could not be opened or asked.
    case failed(VerbsError)

    /// Half a sentence.
    public var description: String {
      switch self {
      case .otherDeviceDemanded(let name): "the device \(name) was demanded"
      case .otherPortDemanded(let port): "port \(port) was demanded"
      case .noAtomics: "it has no atomic operations"
      case .tooFewReads(let has, let needs): "it allows \(has) READs in flight and \(needs) are needed"
      case .otherLinkLayer(let layer): "its link layer is \(layer)"
      case .portNotActive(let state):
        "the port is \(state), not active: check the cable, the subnet manager, or \"ip link\""
      case .noPort: "it has no port"
      // Without the full stop of its sentence.
      case .failed(let error): String("\(error)".dropLast())
      }
    }
  }

  /// The device.
  public var device: String
  /// The port, 0 where it is the device as a whole.
  public var port: Int
  /// Why it was not chosen.
  public var reason: Reason

  /// "mlx5_0 port 1: the port is down, not active …"
  public var description: String {
    port == 0 ? "\(device): \(reason)" : "\(device) port \(port): \(reason)"
  }
}

/// The device and port that suit, opened, and what was passed over on the way.
public struct DeviceSelection: Sendable {
  /// The device, opened.
  public var context: Context
  /// The port, from 1.
  public var port: Int
  /// What the device can do.
  public var attributes: DeviceAttributes
  /// What the port is.
  public var portAttributes: PortAttributes
  /// Devices and ports before it that did not do.
  public var passedOver: [PassedOver]

  /// The first port, in the kernel's order, that fulfils the requirements.
  ///
  /// - Throws: `VerbsError` that says of each device why it was passed over.
  public static func first(_ requirements: DeviceRequirements) throws(VerbsError) -> DeviceSelection {
    var passedOver: [PassedOver] = []
    for device in try Device.all() {
      do {
        if let found = try search(device, requirements, &passedOver) { return found }
      } catch {
        passedOver.append(PassedOver(device: device.name, port: 0, reason: .failed(error)))
      }
    }
    let reasons = passedOver.map(\.description).joined(separator: "; ")
    throw VerbsError(
      "ibv_get_device_list", on: "this host",
      passedOver.isEmpty ? .notFound("it has no RDMA device") : .noneUsable(reasons))
  }

  private static func search(
    _ device: Device, _ requirements: DeviceRequirements, _ passedOver: inout [PassedOver]
  ) throws(VerbsError) -> DeviceSelection? {
    if let demanded = requirements.deviceName, demanded != device.name {
      passedOver.append(PassedOver(device: device.name, port: 0, reason: .otherDeviceDemanded(demanded)))
      return nil
    }
    let context = try device.open()
    let attributes = try context.attributes()
    if attributes.portCount == 0 {
      passedOver.append(PassedOver(device: device.name, port: 0, reason: .noPort))
      return nil
    }
    for number in 1...attributes.portCount {
      let port = try context.portAttributes(number)
      if let reason = requirements.refusal(device: device.name, attributes, port: number, port) {
        passedOver.append(PassedOver(device: device.name, port: number, reason: reason))
      } else {
        return DeviceSelection(
          context: context, port: number, attributes: attributes, portAttributes: port, passedOver: passedOver
        )
      }
    }
    return nil
  }
}
