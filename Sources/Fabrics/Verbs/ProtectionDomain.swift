import CVerbs

/// What belongs together: queue pairs reach the memory regions of their own protection domain only. Safe to
/// use from several threads; regions and queue pairs keep it open.
public final class ProtectionDomain: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<ibv_pd>
  /// The device that it is of.
  public let context: Context

  /// A protection domain of the device.
  public init(_ context: Context) throws(VerbsError) {
    self.context = context
    pointer = try checkPointer(
      ibv_alloc_pd(context.pointer), "ibv_alloc_pd", on: "device \(context.deviceName)")
  }

  // It cannot be busy: what was made from it holds a reference.
  deinit { ibv_dealloc_pd(pointer) }
}
