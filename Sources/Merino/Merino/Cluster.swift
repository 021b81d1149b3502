import Coherence
import Glibc

/// This process's membership in a job: the nodes that share memory. A process joins once in its life.
///
/// Thread-safe, except where a member says otherwise.
public final class Cluster: Sendable {
  /// What this process joined with. Its memory is gone once the process has left, and is not there in a child
  /// made by fork(): only what it keeps of its own may be looked at.
  let member: Runtime
  /// What this process is a node with, where it still is one.
  var runtime: Runtime { get throws(MerinoError) { try Runtime.current() } }

  private init(_ runtime: Runtime) { member = runtime }

  /// Joins the job that this process was started in, by `merino run` or by a launcher that speaks PMIx or PMI
  /// (`mpirun`, `mpiexec`, `srun`); without a launcher a job of one node. Collective: returns when all nodes
  /// have joined.
  ///
  /// - Throws: `.alreadyJoined` also where another copy of the library has joined in this process;
  ///   `.timedOut` (names who is missing), `.mismatch`, `.addressInUse`,
  ///   `.outOfMemory`, `.notSupported`, `.system`, `.peerLost`, `.invalidArgument` for a setting.
  public static func join(_ options: ClusterOptions = ClusterOptions()) throws(MerinoError) -> Cluster {
    Cluster(try Runtime.join(options))
  }

  /// The cluster that this process has joined.
  ///
  /// - Throws: `.notJoined`, `.forked`.
  public static func current() throws(MerinoError) -> Cluster { Cluster(try Runtime.current()) }

  /// This node, `0 ..< nodeCount`.
  public var node: Int { member.engine.node.number }

  /// The nodes of the job.
  public var nodeCount: Int { member.engine.configuration.nodeCount }

  /// Bytes of the global address space.
  public var capacityByteCount: Int { member.engine.configuration.capacityByteCount }

  /// The fabric that the nodes talk over: "host" or "verbs".
  public var fabricName: String { member.engine.fabric.name }

  /// Waits for all nodes of the job; one call on each node. What any node wrote before is seen by
  /// every node after.
  ///
  /// - Throws: `.busy` where another thread of this node is in it; `.peerLost`, `.notJoined`.
  public func barrier() throws(MerinoError) {
    let engine = try runtime.engine
    try attempting("pass the barrier of all nodes") { () throws(EngineError) in try engine.barrier() }
  }

  /// Leaves the job. Collective: waits for all nodes, since the pages that this node is home of leave with
  /// it. No other thread of this process may be in Merino or use shared memory, and none may hold a lock;
  /// afterwards all views are unmapped.
  ///
  /// - Throws: `.notJoined`; `.busy` where a thread of this node holds a lock or waits for something: then
  ///   nothing has changed; `.peerLost` where a node died (this process has left then, too).
  public func finalize() throws(MerinoError) { try runtime.finalize() }

  /// Throws what `finalize` would throw at this moment because of locks held or threads that wait.
  package func checkMayFinalize() throws(MerinoError) { try runtime.checkMayFinalize() }

  /// Throws where the job is over: a node is lost, or the fabric has failed.
  package func checkPeers() throws(MerinoError) {
    let engine = try runtime.engine
    try attempting("go on") { () throws(EngineError) in try engine.checkPeers() }
  }

  /// Lock slots of this node that are in use, of all kinds: for tests.
  package var lockSlotsInUse: Int { member.engine.slotsInUse }

  /// Ends the whole job: this process exits with `code` at once, and the launcher ends the other nodes. A
  /// process that has left, or is a child made by fork(), ends alone.
  public func abort(code: Int32) -> Never {
    guard let runtime = try? Runtime.current() else { _exit(code) }
    runtime.abort(code: code)
  }
}
