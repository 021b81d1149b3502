extension FabricFailure {
  /// What a completion's status means, for whoever reads the sentence about it; of the verbs, whose statuses
  /// these are (`enum ibv_wc_status`). A `StaticString`: a signal handler writes it, too.
  ///
  /// Not for negative statuses, which are an errno.
  @inlinable
  public var statusWords: StaticString {
    switch status {
    case 1, 2: "this node's request was malformed (local length or queue pair operation error)"
    case 4: "this node's buffer is in no registered memory (local protection error)"
    case 5: "the connection had failed before (work request flushed)"
    case 7, 11: "the node's device failed while it served the request (remote operation error)"
    case 9: "the node's device refused the request (remote invalid request error)"
    case 10: "the node's memory is not, or no longer, open to the request (remote access error)"
    case 12: "no answer from the node (transport retry counter exceeded)"
    case 13: "the node's device was not ready for it (receiver-not-ready retry counter exceeded)"
    case 19, 20, 21: "this node's device reports an error of its own"
    default: "an error that this library does not know"
    }
  }
}
