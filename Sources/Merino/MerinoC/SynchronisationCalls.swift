import CMerino
import Merino

// MARK: Locks

@c @implementation
public func mrn_lock_create(_ lock: UnsafeMutablePointer<merino_lock_t>?) -> Int32 {
  makeHandle("merino_lock_create", lock) { cluster throws(MerinoError) in try cluster.makeLock().handle }
}

@c @implementation
public func mrn_lock_create_named(
  _ name: UnsafePointer<CChar>?, _ lock: UnsafeMutablePointer<merino_lock_t>?
) -> Int32 {
  makeHandle("merino_lock_create_named", lock) { cluster throws(MerinoError) in
    guard let name else { throw nullArgument("merino_lock_create_named", "the name") }
    guard let text = String(validatingCString: name) else {
      throw MerinoError(.invalidArgument, "merino_lock_create_named: the name is not UTF-8.")
    }
    return try cluster.makeLock(named: text).handle
  }
}

@c @implementation
public func mrn_lock_destroy(_ lock: merino_lock_t) -> Int32 {
  result { () throws(MerinoError) in try Lock(handle: lock).destroy() }
}

@c @implementation
public func mrn_lock_acquire(_ lock: merino_lock_t) -> Int32 {
  result { () throws(MerinoError) in try Lock(handle: lock).acquire() }
}

@c @implementation
public func mrn_lock_try_acquire(_ lock: merino_lock_t) -> Int32 {
  result { () throws(MerinoError) in
    if try !Lock(handle: lock).tryAcquire() {
      throw MerinoError(.busy, "merino_lock_try_acquire: somebody holds the lock or waits for it.")
    }
  }
}

@c @implementation
public func mrn_lock_acquire_within(_ lock: merino_lock_t, _ timeout_ns: UInt64) -> Int32 {
  result { () throws(MerinoError) in
    if try !Lock(handle: lock).acquire(withinNanoseconds: timeout_ns) {
      throw MerinoError(
        .timedOut, "merino_lock_acquire_within: the lock was not free within \(timeout_ns) ns.")
    }
  }
}

@c @implementation
public func mrn_lock_release(_ lock: merino_lock_t) -> Int32 {
  result { () throws(MerinoError) in try Lock(handle: lock).release() }
}

// MARK: Reader-writer locks

@c @implementation
public func mrn_rwlock_create(_ lock: UnsafeMutablePointer<merino_rwlock_t>?) -> Int32 {
  makeHandle("merino_rwlock_create", lock) { cluster throws(MerinoError) in
    try cluster.makeReadWriteLock().handle
  }
}

@c @implementation
public func mrn_rwlock_destroy(_ lock: merino_rwlock_t) -> Int32 {
  result { () throws(MerinoError) in try ReadWriteLock(handle: lock).destroy() }
}

@c @implementation
public func mrn_rwlock_acquire_read(_ lock: merino_rwlock_t) -> Int32 {
  result { () throws(MerinoError) in try ReadWriteLock(handle: lock).acquireForReading() }
}

@c @implementation
public func mrn_rwlock_acquire_write(_ lock: merino_rwlock_t) -> Int32 {
  result { () throws(MerinoError) in try ReadWriteLock(handle: lock).acquireForWriting() }
}

@c @implementation
public func mrn_rwlock_release(_ lock: merino_rwlock_t) -> Int32 {
  result { () throws(MerinoError) in try ReadWriteLock(handle: lock).release() }
}

// MARK: Events

@c @implementation
public func mrn_event_create(_ event: UnsafeMutablePointer<merino_event_t>?) -> Int32 {
  makeHandle("merino_event_create", event) { cluster throws(MerinoError) in try cluster.makeEvent().handle }
}

@c @implementation
public func mrn_event_destroy(_ event: merino_event_t) -> Int32 {
  result { () throws(MerinoError) in try Event(handle: event).destroy() }
}

@c @implementation
public func mrn_event_set(_ event: merino_event_t) -> Int32 {
  result { () throws(MerinoError) in try Event(handle: event).set() }
}

@c @implementation
public func mrn_event_clear(_ event: merino_event_t) -> Int32 {
  result { () throws(MerinoError) in try Event(handle: event).clear() }
}

// MARK: Conditions

@c @implementation
public func mrn_cond_create(_ condition: UnsafeMutablePointer<merino_cond_t>?) -> Int32 {
  makeHandle("merino_cond_create", condition) { cluster throws(MerinoError) in
    try cluster.makeCondition().handle
  }
}

@c @implementation
public func mrn_cond_destroy(_ condition: merino_cond_t) -> Int32 {
  result { () throws(MerinoError) in try Condition(handle: condition).destroy() }
}

@c @implementation
public func mrn_cond_signal(_ condition: merino_cond_t) -> Int32 {
  result { () throws(MerinoError) in try Condition(handle: condition).signal() }
}

@c @implementation
public func mrn_cond_broadcast(_ condition: merino_cond_t) -> Int32 {
  result { () throws(MerinoError) in try Condition(handle: condition).broadcast() }
}

// MARK: Barriers and fences

@c @implementation
public func mrn_barrier() -> Int32 {
  result { () throws(MerinoError) in try Cluster.current().barrier() }
}

@c @implementation
public func mrn_barrier_create(
  _ participants: UInt32, _ barrier: UnsafeMutablePointer<merino_barrier_t>?
) -> Int32 {
  makeHandle("merino_barrier_create", barrier) { cluster throws(MerinoError) in
    try cluster.makeBarrier(participants: Int(participants)).handle
  }
}

@c @implementation
public func mrn_barrier_destroy(_ barrier: merino_barrier_t) -> Int32 {
  result { () throws(MerinoError) in try Barrier(handle: barrier).destroy() }
}

@c @implementation
public func mrn_barrier_wait(_ barrier: merino_barrier_t) -> Int32 {
  result { () throws(MerinoError) in try Barrier(handle: barrier).wait() }
}

@c @implementation
public func mrn_fence_acquire() -> Int32 {
  result { () throws(MerinoError) in try Cluster.current().acquireFence() }
}

@c @implementation
public func mrn_fence_release() -> Int32 {
  result { () throws(MerinoError) in try Cluster.current().releaseFence() }
}
