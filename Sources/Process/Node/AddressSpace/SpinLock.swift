import Platform

// A lock for a few instructions and a system call, in one word of raw memory: 0 free, 1 held. Taken only
// with signals blocked, so that a handler never finds it held by the thread that it interrupted.

@inlinable
func acquireSpinLock(_ word: AtomicWord) {
  var backoff = Backoff()
  // The load keeps the line shared while somebody else holds the lock.
  while word.loadRelaxed() != 0 || !word.compareExchange(0, 1) { backoff.wait() }
}

/// Release: pairs with the compare-exchange of whoever takes it next.
@inlinable
func releaseSpinLock(_ word: AtomicWord) { word.store(0) }
