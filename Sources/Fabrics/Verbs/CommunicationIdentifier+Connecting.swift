import CVerbs
import Glibc

/// What a side offers when it connects or accepts.
public struct ConnectionOffer: Sendable {
  /// READs and atomics of the peer that this side serves at a time; nil for as many as the device can.
  public var readsAsTarget: Int?
  /// READs and atomics that this side wants to have in flight; nil for as many as the device can.
  public var readsAsInitiator: Int?
  /// Retransmissions, 0...7. The connecting side decides.
  public var retryCount = 7
  /// Retries where the peer has no receive posted, 0...7; 7 for ever.
  public var receiverNotReadyRetryCount = 7
  /// Sent along, at most 56 bytes when connecting and 196 when accepting.
  public var privateData: [UInt8] = []

  /// The defaults.
  public init() {}

  /// What the peer asked for, answered as far as it goes.
  ///
  /// - Parameter limit: READs and atomics in flight that this side's device can have and serve.
  public init(answering event: borrowing ConnectionEvent, limit: Int) {
    readsAsTarget = min(event.readsWanted, limit)
    readsAsInitiator = min(event.readsServed, limit)
  }

  /// The C structure, valid during `body` only.
  func withParameters<R>(_ body: (UnsafeMutablePointer<rdma_conn_param>) -> R) -> R {
    privateData.withUnsafeBytes { data in
      var parameters = rdma_conn_param()
      parameters.private_data = data.baseAddress
      parameters.private_data_len = UInt8(clamping: data.count)
      // 255 asks librdmacm for the device's maximum.
      parameters.responder_resources = UInt8(clamping: readsAsTarget ?? RDMA_MAX_RESP_RES)
      parameters.initiator_depth = UInt8(clamping: readsAsInitiator ?? RDMA_MAX_INIT_DEPTH)
      parameters.retry_count = UInt8(clamping: retryCount)
      parameters.rnr_retry_count = UInt8(clamping: receiverNotReadyRetryCount)
      return body(&parameters)
    }
  }
}

extension CommunicationIdentifier {
  /// Binds to a local address; port 0 lets the system choose.
  public borrowing func bind(to address: SocketAddress) throws(VerbsError) {
    let raw = try raw("rdma_bind_addr")
    try checkErrno(
      address.withAddress { rdma_bind_addr(raw, $0) }, "rdma_bind_addr", on: "address \(address)")
  }

  /// Listens at the bound address: peers' requests come as `connectRequest` events.
  ///
  /// - Parameter backlog: requests that may wait; 0 for the system's default.
  public borrowing func listen(backlog: Int = 0) throws(VerbsError) {
    try checkErrno(
      rdma_listen(try raw("rdma_listen"), Int32(clamping: backlog)), "rdma_listen", on: "the bound address")
  }

  /// Asks which device leads to the peer; answered by `addressResolved` or `addressError`.
  public borrowing func resolveAddress(
    _ peer: SocketAddress, from local: SocketAddress? = nil, timeoutMilliseconds: Int
  ) throws(VerbsError) {
    let raw = try raw("rdma_resolve_addr")
    let timeout = Int32(clamping: timeoutMilliseconds)
    let result = peer.withAddress { peer in
      local?.withAddress { rdma_resolve_addr(raw, $0, peer, timeout) }
        ?? rdma_resolve_addr(raw, nil, peer, timeout)
    }
    try checkErrno(result, "rdma_resolve_addr", on: "address \(peer)")
  }

  /// Asks for the way to the peer; answered by `routeResolved` or `routeError`.
  public borrowing func resolveRoute(timeoutMilliseconds: Int) throws(VerbsError) {
    try checkErrno(
      rdma_resolve_route(try raw("rdma_resolve_route"), Int32(clamping: timeoutMilliseconds)),
      "rdma_resolve_route",
      on: "the resolved address")
  }

  /// Asks the peer for a connection; answered by `established`, `rejected`, `unreachable` or `connectError`.
  public borrowing func connect(_ offer: ConnectionOffer = ConnectionOffer()) throws(VerbsError) {
    let raw = try raw("rdma_connect")
    try checkErrno(offer.withParameters { rdma_connect(raw, $0) }, "rdma_connect", on: "the resolved route")
  }

  /// Accepts a peer's request; answered by `established`. Post receives before.
  public borrowing func accept(_ offer: ConnectionOffer = ConnectionOffer()) throws(VerbsError) {
    let raw = try raw("rdma_accept")
    try checkErrno(offer.withParameters { rdma_accept(raw, $0) }, "rdma_accept", on: "a connection request")
  }

  /// Refuses a peer's request; the peer gets `rejected` with the data, at most 148 bytes.
  public borrowing func reject(privateData: [UInt8] = []) throws(VerbsError) {
    let raw = try raw("rdma_reject")
    let result = privateData.withUnsafeBytes {
      rdma_reject(raw, $0.baseAddress, UInt8(clamping: $0.count))
    }
    try checkErrno(result, "rdma_reject", on: "a connection request")
  }

  /// Ends the connection: requests in flight are flushed, and both sides get `disconnected`.
  public borrowing func disconnect() throws(VerbsError) {
    try checkErrno(rdma_disconnect(try raw("rdma_disconnect")), "rdma_disconnect", on: "a connection")
  }
}
