import CMerino
import Merino

/// The settings in a structure of the caller, as far as its `size` goes; the rest is 0. Refuses what a
/// program that was compiled with a newer header sets in fields that this library has never heard of:
/// ignoring them would be doing something else than what was asked for.
func settings<T: BitwiseCopyable>(
  _ pointer: UnsafePointer<T>, size: Int, _ zero: T, _ headerVersion: (T) -> UInt32, _ function: String
) throws(MerinoError) -> T {
  guard size >= MemoryLayout<Int>.size, size <= 1 << 16 else {
    throw MerinoError(
      .invalidArgument,
      "\(function): the structure's size field is \(size); initialise it with its MERINO_..._INIT.")
  }
  let all = UnsafeRawBufferPointer(start: pointer, count: size)
  var copy = zero
  let known = withUnsafeMutableBytes(of: &copy) { bytes in
    let count = min(size, bytes.count)
    bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: all[..<count]))
    return count
  }
  guard let unknown = all[known...].firstIndex(where: { $0 != 0 }) else { return copy }
  throw MerinoError(
    .notSupported,
    "\(function): the program was compiled with merino.h \(version(headerVersion(copy))) and sets a field, "
      + "at byte \(unknown) of \(size), that this library, libmerino \(versionText), does not know; its "
      + "structure has \(known) bytes. Install the newer library, or compile the program with the merino.h "
      + "of this one.")
}

/// "0.2.0", of MERINO_VERSION_NUMBER.
private func version(_ number: UInt32) -> String {
  if number == 0 { return "of a later version" }
  return "\(number / 1_000_000).\(number / 1000 % 1000).\(number % 1000)"
}
