import CVerbs
import Glibc

/// Where a device reports ended work requests. Safe to use from several threads; queue pairs keep it open.
public final class CompletionQueue: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<ibv_cq>
  /// The device that it is of.
  public let context: Context
  /// The channel that wakes waiters, nil where it is polled only.
  public let channel: CompletionChannel?

  /// Names a completion queue in events; comparable also after its end.
  public struct ID: Hashable, Sendable {
    private let address: UInt
    init(_ pointer: UnsafeMutablePointer<ibv_cq>?) { address = UInt(bitPattern: pointer) }
  }

  /// A queue of at least `capacity` entries. It overflows, which is fatal, where more requests end unpolled.
  ///
  /// - Parameter vector: which of the device's interrupts serves its events.
  public init(
    _ context: Context, capacity: Int, channel: CompletionChannel? = nil, vector: Int = 0
  ) throws(VerbsError) {
    self.context = context
    self.channel = channel
    errno = 0
    pointer = try checkPointer(
      ibv_create_cq(
        context.pointer, Int32(clamping: capacity), nil, channel?.pointer, Int32(clamping: vector)),
      "ibv_create_cq", on: "\(capacity) entries on \(context.deviceName)")
  }

  // It cannot be busy: queue pairs hold a reference, and events are acknowledged as soon as they are read.
  deinit { ibv_destroy_cq(pointer) }

  /// Names it in events.
  public var id: ID { ID(pointer) }
  /// Entries that it holds.
  public var capacity: Int { Int(pointer.pointee.cqe) }
  /// The handle without ownership, for hot paths.
  public var raw: RawCompletionQueue { RawCompletionQueue(pointer) }

  /// Hands the completions that are there to `body`, at most 16, and returns how many. Never waits, never
  /// allocates.
  ///
  /// - Throws: `VerbsError` where the device failed.
  @discardableResult
  public func poll(_ body: (WorkCompletion) -> Void) throws(VerbsError) -> Int {
    // 16 completions are 768 bytes, below the size at which a temporary would go to the heap.
    let count = withUnsafeTemporaryAllocation(of: WorkCompletion.self, capacity: 16) { buffer in
      let base = buffer.baseAddress.unsafelyUnwrapped
      let count = raw.poll(into: base, capacity: 16)
      for index in 0..<max(count, 0) { body(base[index]) }
      return count
    }
    if count < 0 { throw pollFailure(count) }
    return count
  }

  /// One completion, nil where there is none. Never waits, never allocates.
  public func pollOne() throws(VerbsError) -> WorkCompletion? {
    var completion = WorkCompletion()
    let count = raw.poll(into: &completion, capacity: 1)
    if count < 0 { throw pollFailure(count) }
    return count == 0 ? nil : completion
  }

  private func pollFailure(_ result: Int) -> VerbsError {
    VerbsError(
      "ibv_poll_cq", on: "a completion queue of \(context.deviceName)", .system(code: Int32(-result)))
  }

  /// Asks for one event on the channel at the next completion. What came before is not announced: poll once
  /// more after asking, before waiting.
  public func requestNotification(solicitedOnly: Bool = false) throws(VerbsError) {
    try check(
      cverbs_request_notification(pointer, solicitedOnly ? 1 : 0), "ibv_req_notify_cq",
      on: "a completion queue of \(context.deviceName)")
  }

  /// One completion, waiting on the channel: asks for an event, polls, and sleeps where nothing is there. For
  /// a queue that alone uses its channel. nil where none came in time; a negative time waits for ever.
  public func wait(timeoutMilliseconds: Int) throws(VerbsError) -> WorkCompletion? {
    guard let channel else { preconditionFailure("waiting needs a completion channel") }
    let deadline = nowMilliseconds() + max(timeoutMilliseconds, 0)
    while true {
      if let completion = try pollOne() { return completion }
      try requestNotification()
      // Between the poll above and the request a completion may have come: it raises no event.
      if let completion = try pollOne() { return completion }
      let left = timeoutMilliseconds < 0 ? -1 : max(0, deadline - nowMilliseconds())
      if try channel.wait(timeoutMilliseconds: left) == nil { return try pollOne() }
    }
  }
}
