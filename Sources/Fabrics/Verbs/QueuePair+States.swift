import CVerbs
import Glibc

/// What a queue pair reports of itself.
public struct QueuePairAttributes: Sendable {
  /// Its state.
  public let state: QueuePairState
  /// Payload of its packets.
  public let pathMTU: PathMTU
  /// READs and atomics that it may have in flight.
  public let readsAsInitiator: Int
  /// READs and atomics of the peer that it serves at a time.
  public let readsAsTarget: Int
  /// The peer's queue pair.
  public let peerNumber: UInt32
}

extension RawQueuePair {
  /// Asks the device. Not for hot paths.
  public func attributes() throws(VerbsError) -> QueuePairAttributes {
    var attributes = ibv_qp_attr()
    var initial = ibv_qp_init_attr()
    let mask =
      IBV_QP_STATE.rawValue | IBV_QP_PATH_MTU.rawValue | IBV_QP_MAX_QP_RD_ATOMIC.rawValue
      | IBV_QP_MAX_DEST_RD_ATOMIC.rawValue | IBV_QP_DEST_QPN.rawValue
    try check(
      ibv_query_qp(pointer, &attributes, Int32(mask), &initial), "ibv_query_qp", on: "queue pair \(number)")
    return QueuePairAttributes(
      state: QueuePairState(rawValue: UInt32(attributes.qp_state.rawValue)),
      pathMTU: PathMTU(rawValue: UInt32(attributes.path_mtu.rawValue)),
      readsAsInitiator: Int(attributes.max_rd_atomic), readsAsTarget: Int(attributes.max_dest_rd_atomic),
      peerNumber: attributes.dest_qp_num)
  }

  /// Throws where the queue pair is not in `state`: the kernel would say EINVAL and not why.
  fileprivate func require(_ state: QueuePairState, for next: QueuePairState) throws(VerbsError) {
    let current = QueuePairState(rawValue: UInt32(pointer.pointee.state.rawValue))
    if current != state {
      throw VerbsError(
        "ibv_modify_qp", on: "queue pair \(number)", .invalidTransition(from: current, to: next))
    }
  }

  fileprivate func modify(
    _ attributes: inout ibv_qp_attr, _ mask: [ibv_qp_attr_mask], _ step: String
  ) throws(VerbsError) {
    let bits = mask.reduce(IBV_QP_STATE.rawValue) { $0 | $1.rawValue }
    try check(
      ibv_modify_qp(pointer, &attributes, Int32(bits)), "ibv_modify_qp", on: "queue pair \(number) (\(step))")
  }
}

extension QueuePair {
  private func raw() throws(VerbsError) -> RawQueuePair {
    guard let rawQueuePair else {
      throw VerbsError("ibv_modify_qp", on: "a closed queue pair", .system(code: EBADF))
    }
    return rawQueuePair
  }

  /// What the queue pair reports of itself. Not for hot paths.
  public borrowing func attributes() throws(VerbsError) -> QueuePairAttributes { try raw().attributes() }

  /// What to tell the peer.
  public borrowing func address(_ settings: ConnectionSettings, packetNumber: UInt32) throws(VerbsError)
    -> QueuePairAddress
  {
    let context = protectionDomain.context
    let port = try context.portAttributes(settings.port)
    let gid = try context.globalIdentifier(port: settings.port, index: settings.gidIndex ?? 0)
    return QueuePairAddress(
      localID: port.localID, globalIdentifier: gid, queuePairNumber: number, packetNumber: packetNumber)
  }

  /// Reset to initialized: receives can be posted. `access` is what the peer may do through this queue pair.
  public borrowing func initialize(_ settings: ConnectionSettings, access: MemoryAccess) throws(VerbsError) {
    let raw = try raw()
    try raw.require(.reset, for: .initialized)
    var attributes = ibv_qp_attr()
    attributes.qp_state = IBV_QPS_INIT
    attributes.pkey_index = UInt16(clamping: settings.partitionKeyIndex)
    attributes.port_num = UInt8(clamping: settings.port)
    attributes.qp_access_flags = access.rawValue
    try raw.modify(&attributes, [IBV_QP_PKEY_INDEX, IBV_QP_PORT, IBV_QP_ACCESS_FLAGS], "to initialized")
  }

  /// Initialized to ready to receive: it answers the peer.
  public borrowing func becomeReadyToReceive(
    from peer: QueuePairAddress, _ settings: ConnectionSettings
  ) throws(VerbsError) {
    let raw = try raw()
    try raw.require(.initialized, for: .readyToReceive)
    var attributes = ibv_qp_attr()
    attributes.qp_state = IBV_QPS_RTR
    attributes.path_mtu = ibv_mtu(rawValue: settings.pathMTU.rawValue)
    attributes.dest_qp_num = peer.queuePairNumber
    attributes.rq_psn = peer.packetNumber
    attributes.max_dest_rd_atomic = UInt8(clamping: settings.readsAsTarget)
    attributes.min_rnr_timer = UInt8(clamping: settings.receiverNotReadyTimer)
    attributes.ah_attr.dlid = peer.localID
    attributes.ah_attr.sl = UInt8(clamping: settings.serviceLevel)
    attributes.ah_attr.port_num = UInt8(clamping: settings.port)
    if let gidIndex = settings.gidIndex {
      attributes.ah_attr.is_global = 1
      attributes.ah_attr.grh.dgid = peer.globalIdentifier.gid
      attributes.ah_attr.grh.sgid_index = UInt8(clamping: gidIndex)
      attributes.ah_attr.grh.hop_limit = UInt8(clamping: settings.hopLimit)
      attributes.ah_attr.grh.traffic_class = UInt8(clamping: settings.trafficClass)
    }
    let route =
      "to ready to receive from \(peer.globalIdentifier), LID \(peer.localID), by GID index "
      + "\(settings.gidIndex.map(String.init) ?? "none"), path MTU \(settings.pathMTU)"
    try raw.modify(
      &attributes,
      [
        IBV_QP_AV, IBV_QP_PATH_MTU, IBV_QP_DEST_QPN, IBV_QP_RQ_PSN, IBV_QP_MAX_DEST_RD_ATOMIC,
        IBV_QP_MIN_RNR_TIMER,
      ], route)
  }

  /// Ready to receive to ready to send: anything can be posted. `packetNumber` is the one of this side's own
  /// address.
  public borrowing func becomeReadyToSend(
    packetNumber: UInt32, _ settings: ConnectionSettings
  ) throws(VerbsError) {
    let raw = try raw()
    try raw.require(.readyToReceive, for: .readyToSend)
    var attributes = ibv_qp_attr()
    attributes.qp_state = IBV_QPS_RTS
    attributes.sq_psn = packetNumber & 0xFF_FFFF
    attributes.max_rd_atomic = UInt8(clamping: settings.readsAsInitiator)
    attributes.timeout = UInt8(clamping: settings.acknowledgeTimeoutExponent)
    attributes.retry_cnt = UInt8(clamping: settings.retryCount)
    attributes.rnr_retry = UInt8(clamping: settings.receiverNotReadyRetryCount)
    try raw.modify(
      &attributes,
      [IBV_QP_TIMEOUT, IBV_QP_RETRY_CNT, IBV_QP_RNR_RETRY, IBV_QP_SQ_PSN, IBV_QP_MAX_QP_RD_ATOMIC],
      "to ready to send")
  }

  /// To the error state, from any: everything posted is reported as flushed.
  public borrowing func fail() throws(VerbsError) {
    let raw = try raw()
    var attributes = ibv_qp_attr()
    attributes.qp_state = IBV_QPS_ERR
    try raw.modify(&attributes, [], "to error")
  }
}
