#if MERINO_INJECTION

  import Merino

  // For Tests/Injection, beside `cplatform_injection_arm`; in debug builds only.

  /// Lock slots of this node that are in use, of all kinds; -1 where this process has not joined.
  @c(merino_injection_slots_in_use)
  public func injectionSlotsInUse() -> Int32 {
    (try? Cluster.current().lockSlotsInUse).map { Int32($0) } ?? -1
  }

#endif
