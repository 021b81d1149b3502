import CPlatform
import Coherence

extension Runtime {
  /// Why this node cannot leave now, `nil` where nothing is in the way. A node that left with a lock would
  /// leave the others waiting for it; and under a thread that waits the memory would go away.
  func reasonToStay() -> MerinoError? {
    // Where a node is lost, whoever waits is about to be told, and locks cannot be released any more.
    let isOver = engine.isOver
    switch engine.occupation(countsLocks: !isOver) {
    case .barrier: return busy("another thread of this node is in the barrier of all nodes")
    case .waiting:
      return busy("another thread of this node waits for a lock, an event, a condition or a barrier")
    case .holding(let id, let thread): return busy("\(name(of: thread)) holds \(objects.name(of: id))")
    case nil: break
    }
    guard !isOver, let holder = holders.any else { return nil }
    return busy("\(name(of: holder.thread)) holds \(objects.name(of: holder.id))")
  }

  private func name(of thread: UInt32) -> String {
    thread == cplatform_thread_id() ? "the calling thread" : "thread \(thread) of this node"
  }

  private func busy(_ reason: String) -> MerinoError {
    MerinoError(
      .busy,
      "could not finalize: \(reason). This node is still in the job: release the locks, let all threads "
        + "return from Merino, and finalize then.")
  }
}
