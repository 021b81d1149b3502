import Verbs

/// A port with what `Verbs` says of it.
package struct RDMAPort: Sendable {
  package var number: Int
  package var attributes: PortAttributes
  package var identifiers: [GlobalIdentifierEntry]

  package init(number: Int, attributes: PortAttributes, identifiers: [GlobalIdentifierEntry]) {
    self.number = number
    self.attributes = attributes
    self.identifiers = identifiers
  }
}

/// A device that libibverbs lists.
package struct RDMADevice: Sendable {
  package enum Content: Sendable {
    case opened(DeviceAttributes, ports: [RDMAPort], hasOnDemandPaging: Bool)
    case failed(VerbsError)
  }

  package var name: String
  package var content: Content

  package init(name: String, content: Content) {
    self.name = name
    self.content = content
  }

  /// The devices of this host, in the kernel's order, each opened, asked and closed.
  @Sendable static func all() throws(VerbsError) -> [RDMADevice] {
    try Device.all().map { device in
      do throws(VerbsError) {
        return RDMADevice(name: device.name, content: try ask(device))
      } catch {
        return RDMADevice(name: device.name, content: .failed(error))
      }
    }
  }

  private static func ask(_ device: Device) throws(VerbsError) -> Content {
    let context = try device.open()
    let attributes = try context.attributes()
    var ports: [RDMAPort] = []
    for number in 0..<attributes.portCount {
      ports.append(
        RDMAPort(
          number: number + 1, attributes: try context.portAttributes(number + 1),
          identifiers: try context.globalIdentifiers(port: number + 1)))
    }
    return .opened(attributes, ports: ports, hasOnDemandPaging: try context.hasOnDemandPaging())
  }
}
