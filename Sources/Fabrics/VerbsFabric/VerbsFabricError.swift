import Fabric
import Platform
import Verbs

/// Why this node cannot use its device, or could not connect to a peer.
public enum VerbsFabricError: Error, Sendable, CustomStringConvertible {
  /// A verb failed; the sentence says which, on what, and the usual cure.
  case verbs(attempt: String, VerbsError)
  /// A system call failed.
  case system(SystemError)
  /// A setting that is out of range, or names what is not there.
  case setting(String)
  /// Peers sent what does not fit together, or refused.
  case refused(String)
  /// The nodes could not tell each other what connecting needs; the bootstrap's sentence.
  case bootstrap(String, isPeerLost: Bool)
  /// These nodes did not answer in time.
  case timedOut(peers: [NodeID], milliseconds: Int)

  /// The sentence: what was tried, on what, what is in the way, what to do.
  public var description: String {
    switch self {
    case .verbs(let attempt, let error): return "could not \(attempt): \(error)"
    case .system(let error): return error.description
    case .setting(let sentence), .refused(let sentence), .bootstrap(let sentence, _): return sentence
    case .timedOut(let peers, let milliseconds):
      let some = peers.prefix(8).map(\.description).joined(separator: ", ")
      let more = peers.count > 8 ? " and \(peers.count - 8) more" : ""
      return
        "could not connect to node\(peers.count == 1 ? "" : "s") \(some)\(more) over RDMA within "
        + "\(milliseconds) ms: check that the network carries RDMA between the hosts (rping, ib_read_lat), "
        + "and that no firewall drops RoCE's UDP port 4791."
    }
  }
}

/// Runs a verb for the sentence "could not `attempt`: ...".
func verbs<T: ~Copyable>(
  _ attempt: @autoclosure () -> String, _ body: () throws(VerbsError) -> T
) throws(VerbsFabricError) -> T {
  do throws(VerbsError) {
    return try body()
  } catch {
    throw .verbs(attempt: attempt(), error)
  }
}
