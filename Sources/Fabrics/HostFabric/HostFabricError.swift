import Platform

/// Why the memory of the other nodes could not be mapped.
public enum HostFabricError: Error, Sendable, CustomStringConvertible {
  /// What the nodes announced contradicts itself; the sentence says how.
  case invalid(String)
  /// More virtual addresses than a process has.
  case addressSpace(nodeCount: Int, byteCountPerNode: Int)
  /// A system call failed.
  case system(SystemError)

  /// The sentence: what was tried, what is in the way, what to do.
  public var description: String {
    switch self {
    case .invalid(let sentence): return sentence
    case .addressSpace(let nodeCount, let byteCountPerNode):
      let room = HostFabric.peerByteCountMax
      return "\(nodeCount) nodes on one machine cannot map each other's memory of "
        + "\(readable(byteCountPerNode)) each: a process has addresses for \(readable(room)) of it in all; "
        + "lower MERINO_CAPACITY so that a node needs \(readable(room / max(1, nodeCount - 1))) "
        + "or less, or start fewer nodes."
    case .system(let error): return error.description
    }
  }
}

/// "64 MiB": rounded down, for sentences.
func readable(_ byteCount: Int) -> String {
  for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] where byteCount >> shift >= 4 {
    return "\(byteCount >> shift) \(unit)"
  }
  return "\(byteCount) bytes"
}
