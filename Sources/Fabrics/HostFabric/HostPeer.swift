import Fabric

/// A node's control memory and frames as this process maps them.
///
/// One entry of the fabric's table. The mappings stay until `HostFabric.close`, so that copies of an
/// entry (a batch holds one) need no counting.
@frozen
public struct HostPeer: BitwiseCopyable, @unchecked Sendable {
  /// Where the node's control memory begins here.
  public let control: UnsafeMutableRawPointer
  /// Where the frame of global address 0 is here.
  public let frames: UnsafeMutableRawPointer

  @inlinable
  init(control: UnsafeMutableRawPointer, frames: UnsafeMutableRawPointer) {
    self.control = control
    self.frames = frames
  }
}

/// What a node announces of its memory when it joins, as its peers received it: two memfds and how
/// long they are. The descriptors are needed only until `HostFabric.init` returns.
public struct HostMember: Sendable {
  /// The descriptor of the control memory.
  public let control: Int32
  /// Length of the control memory, the same on all nodes.
  public let controlByteCount: Int
  /// The descriptor of the frames.
  public let frames: Int32
  /// The capacity of the global address space, the same on all nodes.
  public let framesByteCount: Int

  /// Takes over nothing: whoever has the descriptors closes them.
  public init(control: Int32, controlByteCount: Int, frames: Int32, framesByteCount: Int) {
    self.control = control
    self.controlByteCount = controlByteCount
    self.frames = frames
    self.framesByteCount = framesByteCount
  }
}

/// Keys. A key admits to one thing, as a memory region's does: to the control memory, or to one chunk
/// of the frames. So an access that runs over the end of a chunk, which a NIC would refuse, is
/// refused here too.
public enum HostKey {
  /// Admits to a node's control memory.
  @inlinable public static var control: UInt32 { 1 }
  /// The key of chunk 0; chunk `c` has this plus `c`.
  @inlinable public static var firstChunk: UInt32 { 2 }
  /// As many chunks have keys.
  public static var chunkCountMax: Int { Int(UInt32.max) - 1 }
}

/// Statuses of a failed flight: the numbers that the verbs give to the same mistakes
/// (`enum ibv_wc_status`).
public enum HostStatus {
  /// The local buffer lies neither in the control memory nor in the frames.
  @inlinable public static var localProtection: Int32 { 4 }
  /// An atomic on an address that is not a multiple of 8, or a negative length.
  @inlinable public static var invalidRequest: Int32 { 9 }
  /// The key does not admit to the addressed memory.
  @inlinable public static var remoteAccess: Int32 { 10 }
  /// Only where a test makes a batch fail: a connection that has given up.
  @inlinable public static var unanswered: Int32 { 12 }
}
