import CMerino
import Glibc
import Merino
import Node
import SystemV

@c @implementation
public func mrn_init() -> Int32 { mrn_init_with(nil) }

@c @implementation
public func mrn_init_with(_ options: UnsafePointer<merino_options_t>?) -> Int32 {
  result { () throws(MerinoError) in _ = try Cluster.join(try clusterOptions(options)) }
}

private func clusterOptions(
  _ pointer: UnsafePointer<merino_options_t>?
) throws(MerinoError) -> ClusterOptions {
  var options = ClusterOptions()
  guard let pointer else { return options }
  let given = try settings(
    pointer, size: pointer.pointee.size, merino_options_t(), { $0.header_version }, "merino_init_with")
  if given.capacity_bytes > 0 {
    guard given.capacity_bytes <= UInt64(Int.max) else {
      throw MerinoError(.invalidArgument, "merino_init_with: a capacity of \(given.capacity_bytes) bytes.")
    }
    options.capacityByteCount = Int(given.capacity_bytes)
  }
  if let fabric = given.fabric { options.fabric = String(cString: fabric) }
  if given.max_locks > 0 { options.lockCount = Int(given.max_locks) }
  if given.join_timeout_ms > 0 { options.joinTimeoutMilliseconds = Int(given.join_timeout_ms) }
  if given.log_level != 0 {
    guard let level = LogLevel(rawValue: given.log_level) else {
      throw MerinoError(.invalidArgument, "merino_init_with: \(given.log_level) is no merino_log_level_t.")
    }
    options.logLevel = level
  }
  if let log = given.log {
    // The program vouches that the context may be used on any thread, as the header asks.
    let context = UInt(bitPattern: given.log_context)
    options.log = { level, message in
      message.withCString { log(UnsafeMutableRawPointer(bitPattern: context), level.rawValue, $0) }
    }
  }
  return options
}

@c @implementation
public func mrn_finalize() -> Int32 {
  result { () throws(MerinoError) in
    let cluster = try Cluster.current()
    // First, as what is done before finalize: it takes a lock.
    try cluster.checkMayFinalize()
    SharedMemory.detachAtEnd()
    try cluster.finalize()
  }
}

@c @implementation
public func mrn_abort(_ code: Int32) -> Never {
  guard let cluster = try? Cluster.current() else { _exit(code) }
  cluster.abort(code: code)
}

@c @implementation
public func mrn_node() -> Int32 {
  do throws(MerinoError) { return Int32(try Cluster.current().node) } catch { return fail(error) }
}

@c @implementation
public func mrn_nodes() -> Int32 {
  do throws(MerinoError) { return Int32(try Cluster.current().nodeCount) } catch { return fail(error) }
}

// StaticString: a constant for the life of the process.
let versionText: StaticString = "0.1.0"

@c @implementation
public func merino_version() -> UnsafePointer<CChar>? {
  UnsafeRawPointer(versionText.utf8Start).assumingMemoryBound(to: CChar.self)
}

private func constant(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func merino_strerror(_ code: Int32) -> UnsafePointer<CChar>? {
  if code == MERINO_SUCCESS { return constant("success") }
  switch MerinoError.Code(rawValue: code) {
  case .invalidArgument: return constant("argument out of range")
  case .notJoined: return constant("not joined")
  case .alreadyJoined: return constant("joined before")
  case .outOfMemory: return constant("out of memory")
  case .noSpace: return constant("no free range in the global address space")
  case .nameExists: return constant("name exists")
  case .notFound: return constant("no such name")
  case .invalidHandle: return constant("handle names nothing that lives")
  case .busy: return constant("held or in use")
  case .timedOut: return constant("time limit passed")
  case .deadlock: return constant("this thread holds the lock already")
  case .notOwner: return constant("this thread does not hold the lock")
  case .addressInUse: return constant("addresses taken")
  case .badAddress: return constant("not shared memory")
  case .accessDenied: return constant("view's protection forbids it")
  case .limitReached: return constant("table full")
  case .peerLost: return constant("a node is gone")
  case .mismatch: return constant("arguments differ between nodes")
  case .notSupported: return constant("not supported here")
  case .system: return constant("system call failed")
  case .fabric: return constant("fabric operation failed")
  case .forked: return constant("child of fork()")
  case nil: return constant("no Merino code")
  }
}

@c @implementation
public func merino_last_error() -> UnsafePointer<CChar>? { mrn_last_error() }

@_noLocks
@c @implementation
public func merino_handle_fault(
  _ signal: Int32, _ info: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  forwardFaultEntry(signal, info, context) ? 1 : 0
}
