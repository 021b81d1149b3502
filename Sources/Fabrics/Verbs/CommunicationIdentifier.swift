import CVerbs
import Glibc

/// librdmacm's counterpart of a socket: resolves, listens, connects, and owns the connection's queue pair.
/// What it asks for is answered by events on its channel. It keeps its channel, its protection domain and its
/// completion queues.
public struct CommunicationIdentifier: ~Copyable, WorkPoster, @unchecked Sendable {
  // librdmacm guards the identifier; the struct changes only in mutating functions.
  private var pointer: UnsafeMutablePointer<rdma_cm_id>?
  // What the queue pair depends on, held until it is gone.
  private var parents: (ProtectionDomain, CompletionQueue, CompletionQueue)?
  /// Where its events are reported.
  public let channel: EventChannel
  /// What the device granted; nil before `createQueuePair`.
  public private(set) var capacity: QueuePairCapacity?

  /// Names an identifier in events; comparable also after its end.
  public struct ID: Hashable, Sendable {
    private let address: UInt
    init(_ pointer: UnsafeMutablePointer<rdma_cm_id>?) { address = UInt(bitPattern: pointer) }
  }

  /// An identifier for a reliable connection.
  public init(_ channel: EventChannel) throws(VerbsError) {
    var made: UnsafeMutablePointer<rdma_cm_id>?
    try checkErrno(
      rdma_create_id(channel.pointer, &made, nil, RDMA_PS_TCP), "rdma_create_id", on: "a new identifier")
    pointer = made
    self.channel = channel
  }

  /// Takes over the identifier of a connect request.
  init(adopting pointer: UnsafeMutablePointer<rdma_cm_id>?, on channel: EventChannel) {
    self.pointer = pointer
    self.channel = channel
  }

  /// Names it in events.
  public var id: ID { ID(pointer) }

  /// The queue pair without ownership, for hot paths; nil before `createQueuePair`.
  public var rawQueuePair: RawQueuePair? {
    guard let pair = pointer?.pointee.qp else { return nil }
    return RawQueuePair(pair)
  }

  var verbsContext: UnsafeMutablePointer<ibv_context>? { pointer?.pointee.verbs }

  func raw(_ verb: String) throws(VerbsError) -> UnsafeMutablePointer<rdma_cm_id> {
    guard let pointer else { throw VerbsError(verb, on: "a closed identifier", .system(code: EBADF)) }
    return pointer
  }

  /// This side's address, of the family 0 where it is not bound.
  public borrowing func localAddress() throws(VerbsError) -> SocketAddress {
    SocketAddress(
      cverbs_local_address(try raw("rdma_get_local_addr")), byteCount: MemoryLayout<sockaddr_storage>.size)
  }

  /// The peer's address.
  public borrowing func peerAddress() throws(VerbsError) -> SocketAddress {
    SocketAddress(
      cverbs_peer_address(try raw("rdma_get_peer_addr")), byteCount: MemoryLayout<sockaddr_storage>.size)
  }

  /// Makes the connection's queue pair, when the device is known (address resolved, or a request came). The
  /// protection domain and the queues are of the context that `ConnectionManagerDevices.context(of:)` gives.
  public mutating func createQueuePair(
    _ protectionDomain: ProtectionDomain, send: CompletionQueue, receive: CompletionQueue,
    capacity: QueuePairCapacity = QueuePairCapacity(), signalsAll: Bool = false
  ) throws(VerbsError) {
    let pointer = try raw("rdma_create_qp")
    var attributes = capacity.attributes(send: send, receive: receive, signalsAll: signalsAll)
    try checkErrno(
      rdma_create_qp(pointer, protectionDomain.pointer, &attributes), "rdma_create_qp",
      on: "a queue pair of \(capacity.sendRequests) sends, \(capacity.receiveRequests) receives and "
        + "\(capacity.inlineByteCount) bytes inline on \(protectionDomain.context.deviceName)")
    parents = (protectionDomain, send, receive)
    self.capacity = QueuePairCapacity(attributes.cap)
  }

  /// Ends the queue pair and the identifier; a connection that is up is broken. Also done at the end of its
  /// life, without a report.
  public consuming func close() throws(VerbsError) {
    guard let closing = pointer.take() else { return }
    let pairCode = Self.destroyQueuePair(closing)
    if rdma_destroy_id(closing) != 0 {
      let code = errno
      throw VerbsError("rdma_destroy_id", on: "an identifier", .system(code: code))
    }
    try check(pairCode, "ibv_destroy_qp", on: "the queue pair of an identifier")
  }

  /// What rdma_destroy_qp does for queues that are ours, with the result that it throws away.
  private static func destroyQueuePair(_ identifier: UnsafeMutablePointer<rdma_cm_id>) -> Int32 {
    guard let pair = identifier.pointee.qp else { return 0 }
    let code = ibv_destroy_qp(pair)
    identifier.pointee.qp = nil
    return code
  }

  deinit {
    guard let pointer else { return }
    _ = Self.destroyQueuePair(pointer)
    rdma_destroy_id(pointer)
  }
}
