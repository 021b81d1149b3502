import CVerbs
import Glibc

/// Posts work requests; adopted by the owners of queue pairs.
public protocol WorkPoster: ~Copyable {
  /// The queue pair without ownership; nil where there is none yet.
  var rawQueuePair: RawQueuePair? { get }
}

extension WorkPoster where Self: ~Copyable {
  /// Posts a batch by one doorbell; the batch keeps its requests and can be posted again. Allocates nothing.
  ///
  /// - Throws: `PostError`, which says how many requests were posted nevertheless.
  public borrowing func post(_ batch: borrowing SendBatch) throws(PostError) {
    guard let rawQueuePair else { throw PostError(code: ENOTCONN, postedCount: 0) }
    let outcome = rawQueuePair.post(batch.chain)
    if outcome.code != 0 { throw PostError(code: outcome.code, postedCount: outcome.postedCount) }
  }

  /// Posts a receive. Receives are best posted before the peer may send. Allocates nothing.
  public borrowing func postReceive(id: UInt64, into buffer: LocalBuffer) throws(PostError) {
    guard let rawQueuePair else { throw PostError(code: ENOTCONN, postedCount: 0) }
    let code = rawQueuePair.postReceive(id: id, into: buffer)
    if code != 0 { throw PostError(code: code, postedCount: 0) }
  }
}

/// A reliable-connected queue pair that is connected by hand: both sides exchange `QueuePairAddress`es by any
/// means. (With librdmacm, the queue pair belongs to a `CommunicationIdentifier`.) It keeps its protection
/// domain and completion queues; requests that were posted and not reported are lost with it.
public struct QueuePair: ~Copyable, WorkPoster, @unchecked Sendable {
  // The C library guards the queue pair; the struct itself does not change until it is closed.
  private var pointer: UnsafeMutablePointer<ibv_qp>?
  /// The domain whose regions it reaches.
  public let protectionDomain: ProtectionDomain
  /// Where its send requests are reported.
  public let sendQueue: CompletionQueue
  /// Where its receives are reported.
  public let receiveQueue: CompletionQueue
  /// What the device granted, at least what was asked for.
  public let capacity: QueuePairCapacity
  /// The number by which peers address it.
  public let number: UInt32

  /// A queue pair in the state "reset".
  ///
  /// - Parameter signalsAll: every send request is reported, whatever its flags.
  public init(
    _ protectionDomain: ProtectionDomain, send: CompletionQueue, receive: CompletionQueue,
    capacity: QueuePairCapacity = QueuePairCapacity(), signalsAll: Bool = false
  ) throws(VerbsError) {
    var attributes = capacity.attributes(send: send, receive: receive, signalsAll: signalsAll)
    errno = 0
    let pointer = try checkPointer(
      ibv_create_qp(protectionDomain.pointer, &attributes), "ibv_create_qp",
      on: "a queue pair of \(capacity.sendRequests) sends, \(capacity.receiveRequests) receives and "
        + "\(capacity.inlineByteCount) bytes inline on \(protectionDomain.context.deviceName)")
    self.pointer = pointer
    self.protectionDomain = protectionDomain
    sendQueue = send
    receiveQueue = receive
    self.capacity = QueuePairCapacity(attributes.cap)
    number = pointer.pointee.qp_num
  }

  /// The handle without ownership, for hot paths. Never nil while the value lives.
  public var rawQueuePair: RawQueuePair? { pointer.map { RawQueuePair($0) } }

  /// Ends the queue pair. Also done at the end of its life, without a report.
  public consuming func close() throws(VerbsError) {
    guard let closing = pointer.take() else { return }
    try check(ibv_destroy_qp(closing), "ibv_destroy_qp", on: "queue pair \(number)")
  }

  deinit {
    if let pointer { ibv_destroy_qp(pointer) }
  }
}
