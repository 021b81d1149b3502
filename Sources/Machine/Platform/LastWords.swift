import CPlatform

/// A sentence that is put together and written where nothing may be allocated: in a signal handler, or by
/// code that has found its memory in a state that cannot be. The process ends with it, or soon after.
@frozen
public struct LastWords {
  /// Bytes of the buffer that it is put together in.
  @inlinable public static var byteCount: Int { 1024 }

  public let buffer: UnsafeMutableRawPointer
  public var used: Int

  /// `buffer`: `byteCount` bytes of this process for this purpose. Threads that fail at once may
  /// garble each other's sentence, and the process ends.
  @inlinable
  public init(_ buffer: UnsafeMutableRawPointer) {
    self.buffer = buffer
    // Here and not where it is declared: that would be a function that @_noLocks cannot see into.
    used = 0
  }

  @inlinable
  public mutating func append(_ text: StaticString) {
    let count = min(text.utf8CodeUnitCount, Self.byteCount - used)
    cplatform_copy(buffer + used, text.utf8Start, count)
    used += count
  }

  @inlinable
  public mutating func append(_ number: Int) {
    if number < 0 { append("-") }
    var divisor: UInt = 1
    let magnitude = number.magnitude
    while magnitude / divisor >= 10 { divisor *= 10 }
    while divisor > 0 && used < Self.byteCount {
      buffer.storeBytes(
        of: UInt8(truncatingIfNeeded: 48 + magnitude / divisor % 10), toByteOffset: used, as: UInt8.self)
      used += 1
      divisor /= 10
    }
  }

  @inlinable
  public mutating func append(hexadecimal number: UInt) {
    append("0x")
    var shift = number == 0 ? 0 : (UInt.bitWidth - 1 - number.leadingZeroBitCount) & ~3
    while shift >= 0 && used < Self.byteCount {
      let digit = UInt8(truncatingIfNeeded: number >> UInt(shift) & 15)
      buffer.storeBytes(of: digit < 10 ? 48 + digit : 87 + digit, toByteOffset: used, as: UInt8.self)
      used += 1
      shift -= 4
    }
  }

  @inlinable
  public mutating func append(_ text: UnsafeRawPointer, _ byteCount: Int) {
    let count = min(byteCount, Self.byteCount - used)
    cplatform_copy(buffer + used, text, count)
    used += count
  }

  /// Writes it to standard error.
  @inlinable
  public func say() { cplatform_write_error(buffer, used) }

  /// Writes it to standard error and ends the process.
  @inlinable
  public func end() -> Never { cplatform_write_and_exit(buffer, used, 70) }
}
