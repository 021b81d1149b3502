extension Scheduler {
  /// The running thread blocks its signals; sections nest. Returns what `leaveCritical` wants back.
  public func enterCritical() -> UInt64 {
    guard current >= 0 else { return 0 }
    let saved = UInt64(threads[current].criticalDepth)
    threads[current].criticalDepth += 1
    return saved
  }

  /// Ends the section that returned `saved`.
  public func leaveCritical(_ saved: UInt64) {
    guard current >= 0 else { return }
    if threads[current].criticalDepth != Int(saved) + 1 {
      fail("Critical sections end out of order: depth \(threads[current].criticalDepth), saved \(saved).")
    }
    if threads[current].openConnection >= 0 {
      fail("A critical section ends with a batch open.")
    }
    threads[current].criticalDepth = Int(saved)
  }

  /// Whether the running thread has its signals blocked: a page fault here would be a fault in the handler.
  public var isCritical: Bool { current >= 0 && threads[current].criticalDepth > 0 }
}
