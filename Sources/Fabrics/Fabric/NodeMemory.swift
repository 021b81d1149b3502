/// The memory of this node that other nodes reach: the control memory (directory shard, log, marks,
/// locks, mailboxes) and the frames, in the library's own always-writable mapping (the system view).
///
/// Both stay mapped from joining to finalize; everything that holds these pointers ends before.
@frozen
public struct NodeMemory: BitwiseCopyable, @unchecked Sendable {
  public let control: UnsafeMutableRawPointer
  public let controlByteCount: Int
  /// Frame of global address `a` is at `frames + a`.
  public let frames: UnsafeMutableRawPointer
  /// The capacity of the global address space.
  public let framesByteCount: Int
  /// A power of two; the unit of registration.
  public let chunkByteCount: Int

  public init(
    control: UnsafeMutableRawPointer, controlByteCount: Int, frames: UnsafeMutableRawPointer,
    framesByteCount: Int, chunkByteCount: Int
  ) {
    self.control = control
    self.controlByteCount = controlByteCount
    self.frames = frames
    self.framesByteCount = framesByteCount
    self.chunkByteCount = chunkByteCount
  }
}
