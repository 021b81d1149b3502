import CPlatform
import Glibc
import Platform

/// Anonymous memory with a file descriptor (a memfd), so that it can be mapped several times and
/// its pages given back one by one: all frames of a node lie in one.
///
/// Sparse: `byteCount` may exceed the machine's memory by far, only pages that were touched exist.
/// All members may be called from any thread; `close` ends the value.
public struct SharedMemoryFile: ~Copyable, Sendable {
  /// The open descriptor; owned by this value.
  public let descriptor: Int32
  public let byteCount: Int
  /// False once `close` has closed it.
  private var owned: Bool

  /// Creates a file of `byteCount` zero bytes that no other process sees unless the descriptor is
  /// passed to it. `name` is for /proc/self/maps only.
  public init(named name: String, byteCount: Int) throws(SystemError) {
    let attempt = "create \(byteCount) bytes of shared memory"
    let descriptor = isAllocationRefused() ? -1 : cplatform_memfd_create(name)
    guard descriptor >= 0 else {
      throw SystemError(
        attempt: attempt, call: "memfd_create", advice: "check the limit of open files (ulimit -n)")
    }
    let advice = "ask for a smaller capacity, or raise the limit of file sizes (ulimit -f)"
    // Beyond the limit the call is answered with SIGXFSZ, which ends the process.
    guard byteCount <= Self.limitOfFileSizes else {
      Self.closeDescriptor(descriptor)
      throw SystemError(attempt: attempt, call: "ftruncate", code: EFBIG, advice: advice)
    }
    guard ftruncate(descriptor, byteCount) == 0 else {
      let error = SystemError(attempt: attempt, call: "ftruncate", advice: advice)
      Self.closeDescriptor(descriptor)
      throw error
    }
    self.descriptor = descriptor
    self.byteCount = byteCount
    owned = true
  }

  /// What this process may make a file grow to.
  private static var limitOfFileSizes: Int {
    // RLIMIT_FSIZE is a macro that does not import; its value is 1 on every Linux.
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(1), &limit) == 0 else { return .max }
    return Int(clamping: limit.rlim_cur)
  }

  /// Maps the whole file read/write, shared: the system view, which the library and the NIC use.
  /// It does not pass to children made by fork(). The mapping outlives the file; unmap it with
  /// `unmapSystemView`.
  public borrowing func mapSystemView() throws(SystemError) -> UnsafeMutableRawPointer {
    let protection = PROT_READ | PROT_WRITE
    let flags = MAP_SHARED | MAP_NORESERVE
    guard
      let address = mapMemory(
        byteCount: byteCount, protection: protection, flags: flags, descriptor: descriptor)
    else {
      throw SystemError(attempt: "map \(byteCount) bytes of frames", call: "mmap", advice: mappingAdvice)
    }
    // A child must not write its parent's frames; and a core has them once, from the views. Advice is
    // refused only for a range that is not mapped.
    madvise(address, byteCount, MADV_DONTFORK)
    madvise(address, byteCount, MADV_DONTDUMP)
    return address
  }

  /// Ends a mapping that `mapSystemView` made; nobody uses it any more.
  public borrowing func unmapSystemView(_ address: UnsafeMutableRawPointer) {
    munmap(address, byteCount)
  }

  /// Gives the memory of `range` (bytes, whole system pages) back; it reads as zeros afterwards.
  public borrowing func punchHole(_ range: Range<Int>) throws(SystemError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "range outside the file")
    guard !range.isEmpty else { return }
    guard cplatform_punch_hole(descriptor, Int64(range.lowerBound), Int64(range.count)) == 0 else {
      throw SystemError(attempt: "give back \(range.count) bytes of frames", call: "fallocate")
    }
  }

  /// Bytes of memory that the file has now.
  public borrowing func allocatedByteCount() throws(SystemError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw SystemError(attempt: "count the frames in use", call: "fstat")
    }
    return Int(status.st_blocks) * 512
  }

  /// Closes the descriptor. Mappings stay, and so does the memory as long as one of them does.
  public consuming func close() throws(SystemError) {
    owned = false
    // Linux closes the descriptor whatever it says, EINTR included: never call twice.
    guard Self.closeDescriptor(descriptor) == 0 else {
      throw SystemError(attempt: "close the shared memory", call: "close")
    }
  }

  deinit {
    if owned { Self.closeDescriptor(descriptor) }
  }

  @discardableResult
  private static func closeDescriptor(_ descriptor: Int32) -> Int32 { Glibc.close(descriptor) }
}
