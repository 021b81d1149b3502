/// How a work request ended.
public struct CompletionStatus: OpenEnumeration, BitwiseCopyable {
  /// The value of `enum ibv_wc_status`.
  public let rawValue: UInt32
  /// Any value, known or not.
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The operation was done.
  @inlinable public static var success: CompletionStatus { CompletionStatus(rawValue: 0) }
  /// Never executed: the queue pair had failed or was disconnected before.
  @inlinable public static var flushed: CompletionStatus { CompletionStatus(rawValue: 5) }
  /// The peer refused the key, the range or the kind of access.
  @inlinable public static var remoteAccessError: CompletionStatus { CompletionStatus(rawValue: 10) }
  /// The peer did not answer, retransmissions included.
  @inlinable public static var retriesExceeded: CompletionStatus { CompletionStatus(rawValue: 12) }
  /// The peer had no receive posted for too long.
  @inlinable public static var receiverNotReadyRetriesExceeded: CompletionStatus {
    CompletionStatus(rawValue: 13)
  }

  /// Names by raw value, as in the InfiniBand specification.
  public static let names: [StaticString] = [
    "success", "local length error", "local queue pair operation error", "local EE context operation error",
    "local protection error", "work request flushed", "memory window bind error", "bad response error",
    "local access error", "remote invalid request error", "remote access error", "remote operation error",
    "transport retry counter exceeded", "receiver-not-ready retry counter exceeded", "local RDD violation",
    "remote invalid RD request", "remote abort", "invalid EE context number", "invalid EE context state",
    "fatal error", "response timeout", "general error", "tag matching error",
    "tag matching rendezvous incomplete",
  ]

  /// What usually brings it about and what to look at; empty for success.
  public var usualCause: String {
    Int(rawValue) < Self.causes.count
      ? Self.causes[Int(rawValue)] : "this library does not know the status; see the device's manual"
  }

  private static let causes: [String] = [
    "",
    "a receive buffer is smaller than the message, or a message is longer than the port's maximum",
    "the request does not suit the queue pair: too many READs in flight, or an inline length above its limit",
    "the device's reliable-datagram context failed",
    "the local key does not cover the buffer, the region was closed before completion, or it belongs to "
      + "another protection domain",
    "the queue pair was already in the error state: an earlier completion of it tells why, or the peer "
      + "disconnected",
    "the memory window could not be bound: check its access flags and its region's",
    "the peer answered what was not asked: a firmware or driver fault, or memory of the response was "
      + "reclaimed",
    "a receive buffer lies in a region without local write access",
    "the peer's queue pair refused the request: an atomic at an address that is no multiple of 8, more READs "
      + "or atomics in flight than the connection was granted, or a message longer than its receive buffer",
    "the remote key is wrong or was withdrawn, the range lies outside of its region, or the region or queue "
      + "pair lacks the access asked for (remote read, write or atomic)",
    "the peer's device failed while it served the request",
    "no answer from the peer: it died, the path is broken, the path MTU is larger than the network carries, "
      + "or the GID index, LID or queue pair number given to the connection was wrong",
    "the peer posted no receive in time: post receives before the peer may send",
    "the queue pair and the request belong to different reliable-datagram domains",
    "the peer refused a reliable-datagram request",
    "the peer ended the operation",
    "the reliable-datagram context does not exist",
    "the reliable-datagram context is in the wrong state",
    "the device failed: see the kernel's log",
    "the peer took too long: a reply to a reliable-datagram request did not come in time",
    "the device's own error: see the vendor's code and the kernel's log",
    "tag matching failed",
    "a rendezvous of tag matching needs software to complete it",
  ]
}
