import CMerino
import Glibc
import Merino
import SystemV

/// Runs `body`; an error becomes `failure` with errno, and its sentence this thread's last.
private func systemV<R>(_ failure: R, _ body: (SharedMemory) throws(SystemVError) -> R) -> R {
  do throws(SystemVError) {
    return try body(try SharedMemory.ofThisJob())
  } catch {
    mrn_set_last_error(error.sentence)
    mrn_set_errno(error.errno)
    return failure
  }
}

@c @implementation
public func mrn_shmget(_ key: Int32, _ bytes: Int, _ flags: Int32) -> Int32 {
  systemV(-1) { memory throws(SystemVError) in try memory.get(key: key, byteCount: bytes, flags: flags) }
}

@c @implementation
public func mrn_shmat(
  _ identifier: Int32, _ address: UnsafeRawPointer?, _ flags: Int32
) -> UnsafeMutableRawPointer? {
  // As MAP_FAILED.
  systemV(UnsafeMutableRawPointer(bitPattern: -1)) { memory throws(SystemVError) in
    try memory.attach(identifier, at: UnsafeMutableRawPointer(mutating: address), flags: flags)
  }
}

@c @implementation
public func mrn_shmdt(_ address: UnsafeRawPointer?) -> Int32 {
  systemV(-1) { memory throws(SystemVError) in
    try memory.detach(address)
    return 0
  }
}

@c @implementation
public func mrn_shmctl(_ identifier: Int32, _ command: Int32, _ buffer: UnsafeMutableRawPointer?) -> Int32 {
  systemV(-1) { memory throws(SystemVError) in try memory.control(identifier, command, buffer) }
}
