import CVerbs
import Glibc

/// An opened device. Safe to use from several threads. Everything made from it keeps it open.
public final class Context: @unchecked Sendable {
  // The C library guards what it changes below the pointer.
  let pointer: UnsafeMutablePointer<ibv_context>
  // What has to outlive the context: the device list, or librdmacm's hold on the device.
  private let keeper: AnyObject
  private let closesAtEnd: Bool
  /// The kernel's name of the device.
  public let deviceName: String

  init(_ device: Device) throws(VerbsError) {
    errno = 0
    pointer = try checkPointer(
      ibv_open_device(device.pointer), "ibv_open_device", on: "device \(device.name)")
    keeper = device
    closesAtEnd = true
    deviceName = device.name
  }

  /// A context that librdmacm opened and closes.
  init(lentBy keeper: ConnectionManagerDevices, _ pointer: UnsafeMutablePointer<ibv_context>) {
    self.pointer = pointer
    self.keeper = keeper
    closesAtEnd = false
    deviceName = String(cString: ibv_get_device_name(pointer.pointee.device))
  }

  deinit {
    // It cannot be busy: whatever was made from it holds a reference.
    if closesAtEnd { ibv_close_device(pointer) }
  }

  /// What the device can do.
  public func attributes() throws(VerbsError) -> DeviceAttributes {
    var attributes = ibv_device_attr()
    try check(ibv_query_device(pointer, &attributes), "ibv_query_device", on: "device \(deviceName)")
    return DeviceAttributes(attributes)
  }

  /// What a port is and does; ports count from 1.
  public func portAttributes(_ port: Int) throws(VerbsError) -> PortAttributes {
    var attributes = ibv_port_attr()
    try check(
      cverbs_query_port(pointer, UInt8(clamping: port), &attributes), "ibv_query_port",
      on: "port \(port) of \(deviceName)")
    return PortAttributes(attributes)
  }

  /// An entry of a port's GID table; zero where it holds nothing.
  public func globalIdentifier(port: Int, index: Int) throws(VerbsError) -> GlobalIdentifier {
    var gid = ibv_gid()
    try checkErrno(
      ibv_query_gid(pointer, UInt8(clamping: port), Int32(clamping: index), &gid), "ibv_query_gid",
      on: "GID \(index) of port \(port) of \(deviceName)")
    return GlobalIdentifier(gid)
  }

  /// The GIDs that a port has, in the table's order; entries that hold nothing are left out.
  public func globalIdentifiers(port: Int) throws(VerbsError) -> [GlobalIdentifierEntry] {
    // One call for all: tables have hundreds of entries, most of them empty. It wants room for those of all
    // ports.
    _ = try portAttributes(port)
    var room = 0
    for number in 1...max(try attributes().portCount, 1) { room += try portAttributes(number).gidTableCount }
    if room == 0 { return [] }
    var table = [ibv_gid_entry](repeating: ibv_gid_entry(), count: room)
    let count = cverbs_query_gid_table(pointer, &table, room)
    if count < 0 {
      throw VerbsError("ibv_query_gid_table", on: "device \(deviceName)", .system(code: Int32(-count)))
    }
    return table.prefix(count).filter { $0.port_num == port }
      .map { GlobalIdentifierEntry(index: Int($0.gid_index), identifier: GlobalIdentifier($0.gid)) }
      .filter { !$0.identifier.isZero }.sorted { $0.index < $1.index }
  }

  /// Readable when an asynchronous event is there: for poll(2) and event loops. Not to be closed or read.
  public var asyncDescriptor: Int32 { pointer.pointee.async_fd }

  /// Waits for an asynchronous event of the device; nil where none came in time. A negative time waits for
  /// ever. One thread at a time.
  public func nextAsyncEvent(timeoutMilliseconds: Int) throws(VerbsError) -> AsyncEvent? {
    guard try waitReadable(pointer.pointee.async_fd, timeoutMilliseconds, on: "events of \(deviceName)")
    else {
      return nil
    }
    var event = ibv_async_event()
    try checkErrno(ibv_get_async_event(pointer, &event), "ibv_get_async_event", on: "device \(deviceName)")
    // What the event points to may be destroyed as soon as it is acknowledged: take what identifies it first.
    let copied = AsyncEvent(event)
    ibv_ack_async_event(&event)
    return copied
  }

  /// Makes memory that is registered from now on survive fork(): to be called before anything else, once. A
  /// child cannot use the parent's RDMA objects. Kernels since 5.12 need no help and this does nothing there.
  public static func prepareForFork() throws(VerbsError) {
    try check(ibv_fork_init(), "ibv_fork_init", on: "this process")
  }
}
