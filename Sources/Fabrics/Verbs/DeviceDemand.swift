/// A device as people name it in a setting: its name, and its port behind a colon where that matters:
/// "mlx5_0", "mlx5_0:2".
public struct DeviceDemand: Sendable, Equatable {
  /// The kernel's name of the device.
  public var device: String
  /// The port, from 1; nil for any.
  public var port: Int?

  /// Reads such a text; nil where it is none.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let name = parts.first, !name.isEmpty else { return nil }
    device = String(name)
    guard parts.count == 2 else { return }
    guard let number = Int(parts[1]), number > 0 else { return nil }
    port = number
  }
}

extension DeviceRequirements {
  /// Only what is demanded, besides what is required already.
  public mutating func restrict(to demand: DeviceDemand) {
    deviceName = demand.device
    port = demand.port
  }
}
