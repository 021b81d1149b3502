import CVerbs
import Glibc

/// The list that the C library gave; devices are valid as long as it is not freed.
final class DeviceList: @unchecked Sendable {
  // Immutable after init; the pointees are only read.
  let list: UnsafeMutablePointer<UnsafeMutablePointer<ibv_device>?>
  let count: Int

  init() throws(VerbsError) {
    var found: Int32 = 0
    errno = 0
    guard let list = ibv_get_device_list(&found) else {
      throw VerbsError("ibv_get_device_list", on: "this host", .system(code: errno == 0 ? ENODEV : errno))
    }
    self.list = list
    count = Int(found)
  }

  deinit { ibv_free_device_list(list) }
}

/// An RDMA device of this host, not yet opened. Safe to use from several threads.
public final class Device: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<ibv_device>
  private let list: DeviceList
  /// The kernel's name: "mlx5_0".
  public let name: String

  init(_ pointer: UnsafeMutablePointer<ibv_device>, in list: DeviceList) {
    self.pointer = pointer
    self.list = list
    name = String(cString: ibv_get_device_name(pointer))
  }

  /// All devices of this host, in the kernel's order; empty where there is none.
  ///
  /// - Throws: `VerbsError` where the list cannot be read. A kernel without RDMA counts as a host without
  ///   devices.
  public static func all() throws(VerbsError) -> [Device] {
    let list: DeviceList
    do {
      list = try DeviceList()
    } catch  where error.code == ENOSYS || error.code == ENODEV {
      return []
    }
    return (0..<list.count).compactMap { index in
      list.list[index].map { Device($0, in: list) }
    }
  }

  /// The device of that name.
  ///
  /// - Throws: `VerbsError` that names the devices there are.
  public static func named(_ name: String) throws(VerbsError) -> Device {
    let devices = try all()
    if let device = devices.first(where: { $0.name == name }) { return device }
    let names = devices.map(\.name).joined(separator: ", ")
    throw VerbsError(
      "ibv_get_device_list", on: "device \(name)",
      .notFound(devices.isEmpty ? "this host has no RDMA device" : "this host has \(names)"))
  }

  /// The device's 64-bit identifier, 0 where it has none.
  public var guid: UInt64 { UInt64(bigEndian: ibv_get_device_guid(pointer)) }

  /// Opens the device; the context keeps it.
  ///
  /// - Throws: `VerbsError`, EACCES where the user has no permission on the uverbs device.
  public func open() throws(VerbsError) -> Context { try Context(self) }
}
