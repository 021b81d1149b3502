import Coherence
import Fabric
import Glibc

/// What stopped a call: a code that programs can act on, and the whole sentence for people.
public struct MerinoError: Error, Sendable, CustomStringConvertible {
  /// The kinds of failure; the raw values are those of `merino.h` and never change their meaning.
  public enum Code: Int32, Sendable, CaseIterable {
    /// An argument is out of range.
    case invalidArgument = -1
    /// This process has not joined, or has left.
    case notJoined = -2
    /// This process has joined before; a process joins once in its life.
    case alreadyJoined = -3
    /// The system has no memory for it, or a limit forbids it.
    case outOfMemory = -4
    /// The global address space has no free range of this size.
    case noSpace = -5
    /// The name is taken.
    case nameExists = -6
    /// Nothing has this name.
    case notFound = -7
    /// The handle names nothing that lives.
    case invalidHandle = -8
    /// Held by somebody else, or in use.
    case busy = -9
    /// The time limit passed.
    case timedOut = -10
    /// The calling thread holds this lock already.
    case deadlock = -11
    /// The calling thread does not hold the lock.
    case notOwner = -12
    /// The addresses are taken by something else in this process.
    case addressInUse = -13
    /// The address is not in a view of shared memory.
    case badAddress = -14
    /// The view's protection forbids it.
    case accessDenied = -15
    /// A table is full.
    case limitReached = -16
    /// A node died or left.
    case peerLost = -17
    /// The nodes of a collective call did not pass matching arguments.
    case mismatch = -18
    /// This machine or this build cannot do it.
    case notSupported = -19
    /// A system call failed.
    case system = -20
    /// The fabric reported an operation that failed.
    case fabric = -21
    /// This process is a child made by fork() of a node.
    case forked = -22

    /// A few words for the code.
    public var summary: String {
      switch self {
      case .invalidArgument: "argument out of range"
      case .notJoined: "not joined"
      case .alreadyJoined: "joined before"
      case .outOfMemory: "out of memory"
      case .noSpace: "no free range in the global address space"
      case .nameExists: "name exists"
      case .notFound: "no such name"
      case .invalidHandle: "handle names nothing that lives"
      case .busy: "held or in use"
      case .timedOut: "time limit passed"
      case .deadlock: "this thread holds the lock already"
      case .notOwner: "this thread does not hold the lock"
      case .addressInUse: "addresses taken"
      case .badAddress: "not shared memory"
      case .accessDenied: "view's protection forbids it"
      case .limitReached: "table full"
      case .peerLost: "a node is gone"
      case .mismatch: "arguments differ between nodes"
      case .notSupported: "not supported here"
      case .system: "system call failed"
      case .fabric: "fabric operation failed"
      case .forked: "child of fork()"
      }
    }
  }

  /// The kind of failure.
  public let code: Code
  /// What was tried, on what, what happened, what to do.
  public let description: String

  /// An error with its sentence.
  public init(_ code: Code, _ sentence: String) {
    self.code = code
    description = sentence
  }
}

extension MerinoError {
  /// An engine's error, for the sentence "could not `attempt`: ...".
  init(engine error: EngineError, _ attempt: String) {
    switch error {
    case .fabric(let failure): self.init(failure, attempt)
    case .deadlock:
      self.init(
        .deadlock, "could not \(attempt): the calling thread holds it already, so waiting would never end.")
    case .notOwner:
      self.init(.notOwner, "could not \(attempt): the calling thread does not hold it.")
    case .busy:
      self.init(.busy, "could not \(attempt): somebody else holds it.")
    case .slotsExhausted:
      self.init(
        .limitReached,
        "could not \(attempt): this node holds or awaits as many locks as it has slots; set "
          + "MERINO_LOCK_SLOTS to more on all nodes.")
    case .invalidObject:
      self.init(.invalidHandle, "could not \(attempt): the handle names nothing that lives.")
    }
  }
}

extension MerinoError {
  init(_ failure: FabricFailure, _ attempt: String) {
    switch failure.reason {
    case .peerLost:
      self.init(.peerLost, "could not \(attempt): \(Loss.clause(failure.peer)); the job is over.")
    case .badWord:
      self.init(
        .fabric,
        "could not \(attempt): \(failure.badWordWords) at node \(failure.peer) is "
          + "0x\(String(failure.value, radix: 16)), which no node can have written there: its memory was "
          + "overwritten, or it runs another version of Merino. End the job.")
    case .registrationFailed:
      self.init(
        .outOfMemory,
        "could not \(attempt): registering memory with the device failed (errno \(failure.status)); raise "
          + "the limit of locked memory (ulimit -l).")
    case .halfDone:
      self.init(
        .fabric,
        "could not \(attempt): registering memory with the device failed (errno \(failure.status)) in the "
          + "middle of a release, an acquire or a barrier, and the job is over; raise the limit of locked "
          + "memory (ulimit -l)."
      )
    case .completionError where failure.status < 0:
      self.init(
        .fabric,
        "could not \(attempt): the fabric's operation to node \(failure.peer) was not accepted by this "
          + "node's device: \(String(cString: strerror(-failure.status))) (errno \(-failure.status)); see "
          + "the kernel's log.")
    case .completionError:
      let cure =
        failure.status == 12
        ? "see whether it runs, and whether the network carries RDMA between the hosts (rping, ib_read_lat)"
        : "MERINO_LOG=warning shows what the device reports"
      self.init(
        .fabric,
        "could not \(attempt): the fabric's operation to node \(failure.peer) failed with status "
          + "\(failure.status), \(failure.statusWords); \(cure).")
    }
  }
}

/// Runs `body`, and turns an engine's error into the sentence "could not `attempt`: ...".
func attempting<T>(
  _ attempt: @autoclosure () -> String, _ body: () throws(EngineError) -> T
) throws(MerinoError) -> T {
  do throws(EngineError) {
    return try body()
  } catch {
    throw MerinoError(engine: error, attempt())
  }
}
