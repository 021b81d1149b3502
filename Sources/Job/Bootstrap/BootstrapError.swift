import Platform

/// Why nodes could not be brought together, or stopped being together. The description is a full
/// sentence for the user.
public struct BootstrapError: Error, Sendable, Hashable, CustomStringConvertible {
  public enum Kind: UInt32, Sendable, Hashable {
    /// A `MERINO_…` variable holds what it must not hold.
    case badEnvironment = 1
    /// The launcher named in the environment cannot be reached, or is not to be trusted.
    case cannotReachLauncher
    /// The launcher does not admit this process: another user, a second process for one node,
    /// another version of Merino.
    case refused
    /// Not every node joined within the time limit.
    case joinTimedOut
    /// A node died, or left, while others needed it.
    case peerLost
    /// The launcher died.
    case launcherGone
    /// Nodes do different things at once where all must do the same.
    case mismatch
    /// Too many descriptors or bytes for this machine or this job.
    case limitExceeded
    /// The other side sent what is no message of the rendezvous.
    case protocolViolation
    /// This node has left the job already.
    case alreadyLeft
    /// A system call failed.
    case system
    /// What only processes of one machine can do, in a job whose nodes are on several.
    case differentMachines
  }

  public let kind: Kind
  /// The node concerned, where there is one.
  public let node: Int?
  public let description: String

  public init(_ kind: Kind, node: Int? = nil, _ sentence: String) {
    self.kind = kind
    self.node = node
    self.description = sentence
  }

  init(_ error: SystemError) {
    self.init(.system, error.description)
  }

  /// Of the system call that has just failed: `errno` is its.
  static func system(_ attempt: String, _ call: String, advice: String = "") -> BootstrapError {
    BootstrapError(SystemError(attempt: attempt, call: call, advice: advice))
  }
}
