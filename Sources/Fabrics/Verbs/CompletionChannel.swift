import CVerbs
import Glibc

/// Wakes threads when completions come. Safe to use from several threads; completion queues keep it open.
public final class CompletionChannel: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<ibv_comp_channel>
  /// The device that it is of.
  public let context: Context

  /// A channel of the device.
  public init(_ context: Context) throws(VerbsError) {
    self.context = context
    errno = 0
    pointer = try checkPointer(
      ibv_create_comp_channel(context.pointer), "ibv_create_comp_channel", on: "device \(context.deviceName)")
  }

  // It cannot be busy: completion queues hold a reference.
  deinit { ibv_destroy_comp_channel(pointer) }

  /// Readable when an event is there: for poll(2) and event loops. Not to be closed or read.
  public var fileDescriptor: Int32 { pointer.pointee.fd }

  /// Waits for an event and returns which completion queue it is of; nil where none came in time. A negative
  /// time waits for ever. Where several threads wait, one of them takes the event and another may wait longer
  /// than asked.
  public func wait(timeoutMilliseconds: Int) throws(VerbsError) -> CompletionQueue.ID? {
    let name = "the completion channel of \(context.deviceName)"
    guard try waitReadable(fileDescriptor, timeoutMilliseconds, on: name) else { return nil }
    var queue: UnsafeMutablePointer<ibv_cq>?
    var unused: UnsafeMutableRawPointer?
    try checkErrno(ibv_get_cq_event(pointer, &queue, &unused), "ibv_get_cq_event", on: name)
    // Destroying a queue waits for acknowledgement, so it is done at once.
    ibv_ack_cq_events(queue, 1)
    return CompletionQueue.ID(queue)
  }
}
