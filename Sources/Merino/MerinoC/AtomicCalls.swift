import CMerino
import Merino

// One function for each word size, operation and ordering, over the generic ones below.

// MARK: Generic

private func load<T: SharedAtomicValue>(
  _ function: String, _ address: UnsafePointer<T>?, _ value: UnsafeMutablePointer<T>?,
  _ ordering: AtomicOrdering
) -> Int32 {
  result { () throws(MerinoError) in
    guard let address, let value else { throw nullArgument(function, "address or value") }
    value.pointee = try Cluster.current().atomicLoad(address, ordering)
  }
}

private func exchange<T: SharedAtomicValue>(
  _ function: String, _ address: UnsafeMutablePointer<T>?, _ value: T, _ old: UnsafeMutablePointer<T>?,
  _ ordering: AtomicOrdering
) -> Int32 {
  result { () throws(MerinoError) in
    guard let address else { throw nullArgument(function, "address") }
    let before = try Cluster.current().atomicExchange(address, value, ordering)
    old?.pointee = before
  }
}

private func compareExchange<T: SharedAtomicValue>(
  _ function: String, _ address: UnsafeMutablePointer<T>?, _ expected: T, _ desired: T,
  _ old: UnsafeMutablePointer<T>?, _ ordering: AtomicOrdering
) -> Int32 {
  result { () throws(MerinoError) in
    guard let address else { throw nullArgument(function, "address") }
    let before = try Cluster.current().atomicCompareExchange(
      address, expected: expected, desired: desired, ordering)
    old?.pointee = before
  }
}

private func fetchAdd<T: SharedAtomicValue>(
  _ function: String, _ address: UnsafeMutablePointer<T>?, _ addend: T, _ old: UnsafeMutablePointer<T>?,
  _ ordering: AtomicOrdering
) -> Int32 {
  result { () throws(MerinoError) in
    guard let address else { throw nullArgument(function, "address") }
    let before = try Cluster.current().atomicFetchAdd(address, addend, ordering)
    old?.pointee = before
  }
}

// MARK: 32 bits

@c @implementation
public func mrn_atomic_load_u32(
  _ address: UnsafePointer<UInt32>?, _ value: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  load("merino_atomic_load_u32", address, value, .relaxed)
}

@c @implementation
public func mrn_atomic_load_u32_acquire(
  _ address: UnsafePointer<UInt32>?, _ value: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  load("merino_atomic_load_u32_acquire", address, value, .acquire)
}

@c @implementation
public func mrn_atomic_store_u32(
  _ address: UnsafeMutablePointer<UInt32>?, _ value: UInt32
) -> Int32 {
  exchange("merino_atomic_store_u32", address, value, nil, .relaxed)
}

@c @implementation
public func mrn_atomic_store_u32_release(
  _ address: UnsafeMutablePointer<UInt32>?, _ value: UInt32
) -> Int32 {
  exchange("merino_atomic_store_u32_release", address, value, nil, .release)
}

@c @implementation
public func mrn_atomic_exchange_u32(
  _ address: UnsafeMutablePointer<UInt32>?, _ value: UInt32, _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  exchange("merino_atomic_exchange_u32", address, value, old, .relaxed)
}

@c @implementation
public func mrn_atomic_exchange_u32_acquire(
  _ address: UnsafeMutablePointer<UInt32>?, _ value: UInt32, _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  exchange("merino_atomic_exchange_u32_acquire", address, value, old, .acquire)
}

@c @implementation
public func mrn_atomic_exchange_u32_release(
  _ address: UnsafeMutablePointer<UInt32>?, _ value: UInt32, _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  exchange("merino_atomic_exchange_u32_release", address, value, old, .release)
}

@c @implementation
public func mrn_atomic_exchange_u32_acq_rel(
  _ address: UnsafeMutablePointer<UInt32>?, _ value: UInt32, _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  exchange("merino_atomic_exchange_u32_acq_rel", address, value, old, .acquireRelease)
}

@c @implementation
public func mrn_atomic_compare_exchange_u32(
  _ address: UnsafeMutablePointer<UInt32>?, _ expected: UInt32, _ desired: UInt32,
  _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  compareExchange("merino_atomic_compare_exchange_u32", address, expected, desired, old, .relaxed)
}

@c @implementation
public func mrn_atomic_compare_exchange_u32_acquire(
  _ address: UnsafeMutablePointer<UInt32>?, _ expected: UInt32, _ desired: UInt32,
  _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  compareExchange("merino_atomic_compare_exchange_u32_acquire", address, expected, desired, old, .acquire)
}

@c @implementation
public func mrn_atomic_compare_exchange_u32_release(
  _ address: UnsafeMutablePointer<UInt32>?, _ expected: UInt32, _ desired: UInt32,
  _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  compareExchange("merino_atomic_compare_exchange_u32_release", address, expected, desired, old, .release)
}

@c @implementation
public func mrn_atomic_compare_exchange_u32_acq_rel(
  _ address: UnsafeMutablePointer<UInt32>?, _ expected: UInt32, _ desired: UInt32,
  _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  compareExchange(
    "merino_atomic_compare_exchange_u32_acq_rel", address, expected, desired, old, .acquireRelease)
}

@c @implementation
public func mrn_atomic_fetch_add_u32(
  _ address: UnsafeMutablePointer<UInt32>?, _ addend: UInt32, _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  fetchAdd("merino_atomic_fetch_add_u32", address, addend, old, .relaxed)
}

@c @implementation
public func mrn_atomic_fetch_add_u32_acquire(
  _ address: UnsafeMutablePointer<UInt32>?, _ addend: UInt32, _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  fetchAdd("merino_atomic_fetch_add_u32_acquire", address, addend, old, .acquire)
}

@c @implementation
public func mrn_atomic_fetch_add_u32_release(
  _ address: UnsafeMutablePointer<UInt32>?, _ addend: UInt32, _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  fetchAdd("merino_atomic_fetch_add_u32_release", address, addend, old, .release)
}

@c @implementation
public func mrn_atomic_fetch_add_u32_acq_rel(
  _ address: UnsafeMutablePointer<UInt32>?, _ addend: UInt32, _ old: UnsafeMutablePointer<UInt32>?
) -> Int32 {
  fetchAdd("merino_atomic_fetch_add_u32_acq_rel", address, addend, old, .acquireRelease)
}

// MARK: 64 bits

@c @implementation
public func mrn_atomic_load_u64(
  _ address: UnsafePointer<UInt64>?, _ value: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  load("merino_atomic_load_u64", address, value, .relaxed)
}

@c @implementation
public func mrn_atomic_load_u64_acquire(
  _ address: UnsafePointer<UInt64>?, _ value: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  load("merino_atomic_load_u64_acquire", address, value, .acquire)
}

@c @implementation
public func mrn_atomic_store_u64(
  _ address: UnsafeMutablePointer<UInt64>?, _ value: UInt64
) -> Int32 {
  exchange("merino_atomic_store_u64", address, value, nil, .relaxed)
}

@c @implementation
public func mrn_atomic_store_u64_release(
  _ address: UnsafeMutablePointer<UInt64>?, _ value: UInt64
) -> Int32 {
  exchange("merino_atomic_store_u64_release", address, value, nil, .release)
}

@c @implementation
public func mrn_atomic_exchange_u64(
  _ address: UnsafeMutablePointer<UInt64>?, _ value: UInt64, _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  exchange("merino_atomic_exchange_u64", address, value, old, .relaxed)
}

@c @implementation
public func mrn_atomic_exchange_u64_acquire(
  _ address: UnsafeMutablePointer<UInt64>?, _ value: UInt64, _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  exchange("merino_atomic_exchange_u64_acquire", address, value, old, .acquire)
}

@c @implementation
public func mrn_atomic_exchange_u64_release(
  _ address: UnsafeMutablePointer<UInt64>?, _ value: UInt64, _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  exchange("merino_atomic_exchange_u64_release", address, value, old, .release)
}

@c @implementation
public func mrn_atomic_exchange_u64_acq_rel(
  _ address: UnsafeMutablePointer<UInt64>?, _ value: UInt64, _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  exchange("merino_atomic_exchange_u64_acq_rel", address, value, old, .acquireRelease)
}

@c @implementation
public func mrn_atomic_compare_exchange_u64(
  _ address: UnsafeMutablePointer<UInt64>?, _ expected: UInt64, _ desired: UInt64,
  _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  compareExchange("merino_atomic_compare_exchange_u64", address, expected, desired, old, .relaxed)
}

@c @implementation
public func mrn_atomic_compare_exchange_u64_acquire(
  _ address: UnsafeMutablePointer<UInt64>?, _ expected: UInt64, _ desired: UInt64,
  _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  compareExchange("merino_atomic_compare_exchange_u64_acquire", address, expected, desired, old, .acquire)
}

@c @implementation
public func mrn_atomic_compare_exchange_u64_release(
  _ address: UnsafeMutablePointer<UInt64>?, _ expected: UInt64, _ desired: UInt64,
  _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  compareExchange("merino_atomic_compare_exchange_u64_release", address, expected, desired, old, .release)
}

@c @implementation
public func mrn_atomic_compare_exchange_u64_acq_rel(
  _ address: UnsafeMutablePointer<UInt64>?, _ expected: UInt64, _ desired: UInt64,
  _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  compareExchange(
    "merino_atomic_compare_exchange_u64_acq_rel", address, expected, desired, old, .acquireRelease)
}

@c @implementation
public func mrn_atomic_fetch_add_u64(
  _ address: UnsafeMutablePointer<UInt64>?, _ addend: UInt64, _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  fetchAdd("merino_atomic_fetch_add_u64", address, addend, old, .relaxed)
}

@c @implementation
public func mrn_atomic_fetch_add_u64_acquire(
  _ address: UnsafeMutablePointer<UInt64>?, _ addend: UInt64, _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  fetchAdd("merino_atomic_fetch_add_u64_acquire", address, addend, old, .acquire)
}

@c @implementation
public func mrn_atomic_fetch_add_u64_release(
  _ address: UnsafeMutablePointer<UInt64>?, _ addend: UInt64, _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  fetchAdd("merino_atomic_fetch_add_u64_release", address, addend, old, .release)
}

@c @implementation
public func mrn_atomic_fetch_add_u64_acq_rel(
  _ address: UnsafeMutablePointer<UInt64>?, _ addend: UInt64, _ old: UnsafeMutablePointer<UInt64>?
) -> Int32 {
  fetchAdd("merino_atomic_fetch_add_u64_acq_rel", address, addend, old, .acquireRelease)
}
