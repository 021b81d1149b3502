import Synchronization

/// A node of a job that `mpirun`, `mpiexec` or `srun` started: joins the rendezvous that node 0 keeps.
final class ManagedLink: JobLink {
  private let manager: any ProcessManager
  private let link: LauncherLink
  /// On node 0.
  private let host: RendezvousHost?
  private let news = Mutex(News())
  private let hasLeftLauncher = Atomic(false)

  private struct News {
    /// Taken from the link by a call that failed, and still to be told.
    var untold: [JobEvent] = []
    /// What ended the job; the end of node 0 behind it is a consequence.
    var firstLoss: BootstrapError?
  }

  private static let abortNewsMilliseconds: Int32 = 1000

  init(_ manager: any ProcessManager, timeoutMilliseconds: Int?) throws(BootstrapError) {
    var limit = timeoutMilliseconds ?? 0
    if limit <= 0 { limit = try JobEnvironment.joinTimeoutMilliseconds() }
    self.manager = manager
    do throws(BootstrapError) {
      if manager.node == 0 {
        host = try RendezvousHost(
          nodeCount: manager.nodeCount, joinTimeoutMilliseconds: limit, launcher: manager.name)
      } else {
        host = nil
      }
      let text = try manager.share(host?.card.text, withinMilliseconds: limit)
      guard let card = RendezvousCard(text) else {
        throw BootstrapError(
          .protocolViolation,
          "what \(manager.name) brought from node 0 is no address of a rendezvous; use libmerino of one "
            + "build on all nodes.")
      }
      link = try LauncherLink(
        RendezvousEntry.open(card), node: manager.node, nodeCount: manager.nodeCount,
        timeoutMilliseconds: timeoutMilliseconds, patienceMilliseconds: limit)
    } catch {
      manager.leave()
      throw Self.worded(error)
    }
  }

  /// Of a process that could not go on behind this, and is to be as it was before joining. Not of one that
  /// exits as a node: its launcher shall take that for a crash.
  deinit { leaveLauncher() }

  private func leaveLauncher() {
    if !hasLeftLauncher.exchange(true, ordering: .relaxed) { manager.leave() }
  }

  var node: Int { link.node }
  var nodeCount: Int { link.nodeCount }
  var secret: (UInt64, UInt64) { link.secret }
  var members: [Member] { link.members }
  var eventDescriptor: Int32 { link.eventDescriptor }

  func exchange(_ bytes: [UInt8]) throws(BootstrapError) -> [[UInt8]] {
    try naming { () throws(BootstrapError) in try link.exchange(bytes) }
  }

  func exchangeDescriptors(_ descriptors: [Int32]) throws(BootstrapError) -> [[Int32]] {
    try naming { () throws(BootstrapError) in try link.exchangeDescriptors(descriptors) }
  }

  func barrier() throws(BootstrapError) {
    try naming { () throws(BootstrapError) in try link.barrier() }
  }

  /// On node 0 it waits for the others, which leave as soon as this node does, or for the loss of one.
  func leave() throws(BootstrapError) {
    defer { leaveLauncher() }
    do throws(BootstrapError) {
      try naming { () throws(BootstrapError) in try link.leave() }
    } catch {
      host?.stop()
      throw error
    }
    host?.waitForOthers()
  }

  func disconnect() { link.disconnect() }

  func nextEvent() -> JobEvent? {
    news.withLock { news in news.untold.isEmpty ? next(&news) : news.untold.removeFirst() }
  }

  /// The end of the rendezvous is the loss of the node that keeps it, and then that nothing more will be
  /// heard.
  private func next(_ news: inout News) -> JobEvent? {
    let event = link.nextEvent()
    switch event {
    case .peerLost(let node, let how):
      if news.firstLoss == nil { news.firstLoss = BootstrapError(.peerLost, node: node, how) }
    case .launcherGone where news.firstLoss == nil:
      news.firstLoss = keeperGone
      return .peerLost(node: 0, how: keeperGone.description)
    default: break
    }
    return event
  }

  func abort(code: Int32) {
    // The launcher first: the others end when they hear it, and the first end that a launcher sees is the
    // job's.
    manager.abort(code: code)
    link.abort(code: code)
    // The others hear it from this process's own thread.
    host?.waitForNews(withinMilliseconds: Self.abortNewsMilliseconds)
  }

  private var keeperGone: BootstrapError {
    let keeper = members[0]
    return BootstrapError(
      .peerLost, node: 0,
      "node 0 (\(keeper.programName), process \(keeper.processID) on \(keeper.hostName)) ended without "
        + "having left the job: it crashed, was killed, or did not finalize or could not.")
  }

  /// A call that finds the rendezvous gone tells what was the first to go, which may not have been told yet.
  private func naming<T>(_ body: () throws(BootstrapError) -> T) throws(BootstrapError) -> T {
    do {
      return try body()
    } catch {
      guard error.kind == .launcherGone else { throw error }
      throw news.withLock { news in
        while news.firstLoss == nil, let event = next(&news) { news.untold.append(event) }
        return news.firstLoss ?? keeperGone
      }
    }
  }

  private static func worded(_ error: BootstrapError) -> BootstrapError {
    guard error.kind == .launcherGone else { return error }
    return BootstrapError(
      .peerLost, node: 0,
      "node 0, which keeps the rendezvous, ended while this node was joining; see what it said.")
  }
}
