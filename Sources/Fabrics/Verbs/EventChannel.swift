import CVerbs
import Glibc

/// Where librdmacm reports what happens to its identifiers. Identifiers keep it open. Several threads may use
/// it, but only one at a time takes events.
public final class EventChannel: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<rdma_event_channel>

  /// A new channel.
  ///
  /// - Throws: `VerbsError`, ENODEV on a host without RDMA devices.
  public init() throws(VerbsError) {
    errno = 0
    pointer = try checkPointer(
      rdma_create_event_channel(), "rdma_create_event_channel", on: "this host")
  }

  deinit { rdma_destroy_event_channel(pointer) }

  /// Readable when an event is there: for poll(2) and event loops. Not to be closed or read.
  public var fileDescriptor: Int32 { pointer.pointee.fd }

  /// Waits for the next event of any identifier; nil where none came in time. A negative time waits for ever.
  public func next(timeoutMilliseconds: Int) throws(VerbsError) -> ConnectionEvent? {
    guard try waitReadable(fileDescriptor, timeoutMilliseconds, on: "a connection event channel") else {
      return nil
    }
    var event: UnsafeMutablePointer<rdma_cm_event>?
    try checkErrno(rdma_get_cm_event(pointer, &event), "rdma_get_cm_event", on: "a connection event channel")
    guard let event else { return nil }
    let copied = ConnectionEvent(event, on: self)
    // Closing an identifier waits for its events to be acknowledged, so it is done at once.
    rdma_ack_cm_event(event)
    return copied
  }

  /// The next event, which has to be of this kind: for programs that make one connection at a time.
  ///
  /// - Throws: `VerbsError`: timed out, or another event came (rejected, unreachable and so on).
  public func expect(
    _ kind: ConnectionEvent.Kind, after verb: String, timeoutMilliseconds: Int
  ) throws(VerbsError) -> ConnectionEvent {
    guard let event = try next(timeoutMilliseconds: timeoutMilliseconds) else {
      throw VerbsError(verb, on: "the event \"\(kind)\"", .timedOut(milliseconds: timeoutMilliseconds))
    }
    if event.kind != kind { throw event.unexpected(while: verb, on: "the event \"\(kind)\"") }
    return event
  }
}
