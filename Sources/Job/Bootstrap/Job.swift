import Platform

/// This process's place in a job: which node it is, and how the nodes find each other before they
/// share memory. A program that no launcher started is a job of one node.
///
/// Thread-safe. Collective calls are made by every node in the same order, and by one
/// thread of a node at a time. Bootstrap starts no thread: whoever joined polls `eventDescriptor`.
public final class Job: Sendable {
  /// Nodes that a job can have.
  public static let maximumNodeCount = 1024

  private let link: any JobLink

  /// Stands for the launcher where a lost node is named: no node's number.
  public static let launcherNode = Int(Int32.max)

  /// 0 while all nodes are there; else the number of the lost node plus 1, or `launcherNode + 1` when
  /// the launcher itself died. The first loss stays. Never goes away, so a signal handler may
  /// look at it at any time, also after the job's end. Written by `handleEvent` and by calls that fail.
  public var lostPeerWord: AtomicWord { loss.word }
  /// The same, and how the lost node ended where that is known.
  public let loss: LossRecord

  init(_ link: any JobLink) {
    self.link = link
    // Never deallocated: handlers and waits of other threads may look at it until the process ends.
    let record = UnsafeMutableRawPointer.allocate(byteCount: LossRecord.byteCount, alignment: 64)
    record.initializeMemory(as: UInt8.self, repeating: 0, count: LossRecord.byteCount)
    loss = LossRecord(record)
  }

  /// Joins the job that this process was launched into: by `merino run`, or by a launcher that speaks PMIx or
  /// PMI (`mpirun`, `mpiexec`, `srun`). Returns once every node has joined.
  ///
  /// - Parameter joinTimeoutMilliseconds: how long to wait for the others; by default what
  ///   `MERINO_JOIN_TIMEOUT` (seconds) says, else 60 s.
  /// - Throws: `.badEnvironment`, `.cannotReachLauncher`, `.refused`, `.joinTimedOut` (names who is
  ///   missing), `.peerLost`, `.system`.
  public static func join(joinTimeoutMilliseconds: Int? = nil) throws(BootstrapError) -> Job {
    switch try Launch.find() {
    case .alone: return Job(try SingleNodeLink())
    case .merino(let environment):
      return Job(try LauncherLink(environment, timeoutMilliseconds: joinTimeoutMilliseconds))
    case .pmix: return try join(by: try PMIxManager(), joinTimeoutMilliseconds)
    // Alone the launcher is not needed: its connection stays as it is.
    case .pmi(let place) where place.size == 1: return Job(try SingleNodeLink())
    case .pmi(let place): return try join(by: try PMIManager(place), joinTimeoutMilliseconds)
    }
  }

  private static func join(
    by manager: any ProcessManager, _ joinTimeoutMilliseconds: Int?
  ) throws(BootstrapError) -> Job {
    guard manager.nodeCount > 1 else {
      manager.leave()
      return Job(try SingleNodeLink())
    }
    return Job(try ManagedLink(manager, timeoutMilliseconds: joinTimeoutMilliseconds))
  }

  /// How long joining may take: what `MERINO_JOIN_TIMEOUT` (seconds) says, else 60 s.
  public static func joinTimeoutMilliseconds() throws(BootstrapError) -> Int {
    try JobEnvironment.joinTimeoutMilliseconds()
  }

  /// This node, `0 ..< nodeCount`.
  public var node: Int { link.node }
  public var nodeCount: Int { link.nodeCount }
  /// The job's 128 secret bits, known to its nodes only.
  public var secret: (UInt64, UInt64) { link.secret }
  /// The nodes' processes, in node order.
  public var members: [Member] { link.members }

  /// Every node is on the same running system and sees the others' processes: memory can be shared without a
  /// network, and `exchangeDescriptors` works.
  public var areAllOnOneMachine: Bool {
    link.members.allSatisfy { $0.machine == link.members[link.node].machine }
  }

  /// Collective: every node's bytes, in node order; they need not be equally many.
  ///
  /// - Parameter bytes: at most 16 MiB, and 1 GiB of all nodes together.
  /// - Throws: `.peerLost`, `.launcherGone`, `.mismatch`, `.limitExceeded`, `.alreadyLeft`, `.system`.
  public func exchange(_ bytes: [UInt8]) throws(BootstrapError) -> [[UInt8]] {
    try noting { () throws(BootstrapError) in try link.exchange(bytes) }
  }

  /// Collective among the nodes of one machine: every node's descriptors, in node order. Each node
  /// gives the same number of them, and keeps them; those received (its own among them, duplicated) are
  /// close-on-exec, and the caller closes them. Raises the soft limit of open files if it has to.
  ///
  /// Where nodes joined over TCP what they receive is the same file opened anew: an offset of its own, and
  /// files only (no sockets).
  ///
  /// - Throws: as `exchange`; `.differentMachines` unless `areAllOnOneMachine`; `.limitExceeded` names the
  ///   limit of open files where it is too low.
  public func exchangeDescriptors(_ descriptors: [Int32]) throws(BootstrapError) -> [[Int32]] {
    try noting { () throws(BootstrapError) in try link.exchangeDescriptors(descriptors) }
  }

  /// Collective: returns once every node has called it.
  ///
  /// - Throws: as `exchange`.
  public func barrier() throws(BootstrapError) {
    try noting { () throws(BootstrapError) in try link.barrier() }
  }

  /// A descriptor that becomes readable when something happened to the job: call `handleEvent`
  /// then. -1 in a job of one node. Valid as long as this object lives; poll it no more after
  /// `.launcherGone` and after `leave`.
  public var eventDescriptor: Int32 { link.eventDescriptor }

  /// The next thing that happened, `nil` when there is no more; never blocks. A loss is in
  /// `lostPeerWord` before this returns, and how it came about in `loss`.
  public func handleEvent() -> JobEvent? {
    guard let event = link.nextEvent() else { return nil }
    switch event {
    case .peerLost(let node, let how): note(lost: node, how)
    case .launcherGone: note(lost: Self.launcherNode, "")
    }
    return event
  }

  /// Asks the launcher to end every node, and the job with this exit code (its low 8 bits).
  /// Returns at once, also while another thread waits in a collective call; does nothing in a job of
  /// one node.
  public func abort(code: Int32) { link.abort(code: code) }

  /// Leaves the job in good order: the end of this process, however it comes, is no death of a node any
  /// more. Does not wait for the others. A node that exits without having left counts as died.
  ///
  /// - Throws: `.launcherGone`, `.alreadyLeft`, `.system`.
  public func leave() throws(BootstrapError) {
    try noting { () throws(BootstrapError) in try link.leave() }
  }

  /// Ends this node's part without a leave, where it cannot go on: the others are told that it is lost, also
  /// while this process lives.
  public func disconnect() { link.disconnect() }

  /// A call that failed because somebody is gone may know it before any event was handled.
  private func noting<Result>(
    _ call: () throws(BootstrapError) -> Result
  ) throws(BootstrapError) -> Result {
    do {
      return try call()
    } catch {
      if error.kind == .launcherGone { note(lost: Self.launcherNode, "") }
      if error.kind == .peerLost, let node = error.node { note(lost: node, error.description) }
      throw error
    }
  }

  private func note(lost node: Int, _ how: String) {
    var how = how
    how.withUTF8 { loss.note(lost: node, how: UnsafeRawBufferPointer($0)) }
  }
}
