import CMerino
import Glibc
import Merino

// The C functions are declared in merino.h, where their documentation is. Most stand behind one of C of that
// name (`merino_entries.h`), which keeps cancellation out, and are called mrn_... here; `@c @implementation`
// makes a difference between the two a compile error.

/// Runs `body`; an error becomes its code, and its sentence this thread's last.
func result(_ body: () throws(MerinoError) -> Void) -> Int32 {
  do throws(MerinoError) {
    try body()
    return MERINO_SUCCESS
  } catch {
    return fail(error)
  }
}

func fail(_ error: MerinoError) -> Int32 {
  mrn_set_last_error(error.description)
  return error.code.rawValue
}

/// The error for a null pointer where the result goes.
func nullArgument(_ function: String, _ name: String) -> MerinoError {
  MerinoError(.invalidArgument, "\(function): \(name) is a null pointer.")
}

/// Runs `body` for a function that gives a pointer; an error becomes NULL with errno.
func pointer(_ body: () throws(MerinoError) -> UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  do throws(MerinoError) {
    return try body()
  } catch {
    _ = fail(error)
    let number =
      switch error.code {
      case .invalidArgument, .badAddress: EINVAL
      case .peerLost: EHOSTDOWN
      case .fabric: EIO
      default: ENOMEM
      }
    mrn_set_errno(number)
    return nil
  }
}

/// Runs `body` with the object that a handle names, storing a new handle at `destination`.
func makeHandle(
  _ function: String, _ destination: UnsafeMutablePointer<UInt64>?,
  _ body: (Cluster) throws(MerinoError) -> UInt64
) -> Int32 {
  result { () throws(MerinoError) in
    guard let destination else { throw nullArgument(function, "the place for the handle") }
    destination.pointee = try body(try Cluster.current())
  }
}
