import CVerbs
import Glibc

/// librdmacm opens devices itself, and objects for its connections have to be made from its contexts. This
/// holds them open; contexts that it lends retain it.
public final class ConnectionManagerDevices: @unchecked Sendable {
  // Immutable after init.
  private let list: UnsafeMutablePointer<UnsafeMutablePointer<ibv_context>?>
  private let count: Int

  /// Opens every device that librdmacm knows.
  ///
  /// - Throws: `VerbsError`, ENODEV on a host without RDMA devices.
  public init() throws(VerbsError) {
    var found: Int32 = 0
    errno = 0
    list = try checkPointer(rdma_get_devices(&found), "rdma_get_devices", on: "this host")
    count = Int(found)
  }

  deinit { rdma_free_devices(list) }

  /// The devices.
  public var contexts: [Context] {
    (0..<count).compactMap { index in list[index].map { Context(lentBy: self, $0) } }
  }

  /// The device that an identifier was bound to, by resolving, by listening at one address, or by a peer's
  /// request; nil where it is not bound to one.
  public func context(of identifier: borrowing CommunicationIdentifier) -> Context? {
    guard let pointer = identifier.verbsContext else { return nil }
    for index in 0..<count where list[index] == pointer {
      return Context(lentBy: self, pointer)
    }
    return nil
  }
}
