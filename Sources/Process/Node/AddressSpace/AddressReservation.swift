import CPlatform
import Glibc
import Platform

/// A range of virtual addresses that this process keeps free for views at their default addresses:
/// inaccessible, costs no memory. All nodes of a job reserve the same one.
///
/// Not thread-safe; the address space that owns it has its own lock.
public struct AddressReservation: ~Copyable, Sendable {
  public let base: UInt
  public let byteCount: Int
  private var owned: Bool

  public var range: Range<UInt> { base..<base + UInt(byteCount) }

  /// Addresses that are free on practically every process, in the order of preference. The nodes try
  /// them in this order and agree on the first that `isFree` everywhere.
  ///
  /// They stay clear of what the usual layouts (x86_64 and aarch64, 47 bits and more) place:
  /// - below 0x0200_0000_0000: heaps of Go, CUDA, Java;
  /// - from 0x2aaa_aaaa_a000 up: everything mapped where the stack is unlimited (`ulimit -s unlimited`);
  /// - 0x5555_5555_4000 ... 0x5700_0000_0000: position-independent programs and their heap;
  /// - from 0x7fff_ffff_f000 down: libraries and stacks;
  /// - AddressSanitizer's shadow: up to 0x1000_7fff_8000 on x86_64, 0x2010_0000_0000 on aarch64.
  ///
  /// The last two are for special processes. ThreadSanitizer admits application memory in few places,
  /// 0x5510_0000_0000 being one; but trying the others first ends a program built with it (seen as root,
  /// where its interceptor maps at address 0), so such a program has to be given that base. With 39 bits of
  /// addresses only the last exists.
  public static func candidates(byteCount: Int) -> [UInt] {
    let bases: [UInt] = [
      0x2400_0000_0000, 0x3600_0000_0000, 0x4600_0000_0000, 0x6200_0000_0000, 0x1400_0000_0000,
      0x5510_0000_0000, 0x0040_0000_0000,
    ]
    let top: UInt = 0x7000_0000_0000
    return bases.filter { byteCount > 0 && UInt(byteCount) <= top - $0 }
  }

  /// Whether the whole range can be reserved at this moment. Asks the system, by reserving the range and
  /// giving it back.
  public static func isFree(_ range: Range<UInt>) -> Bool {
    guard !range.isEmpty, reserve(range) == nil else { return false }
    munmap(UnsafeMutableRawPointer(bitPattern: range.lowerBound), range.count)
    return true
  }

  /// Reserves `byteCount` bytes at `base`, both multiples of the system's page size; nothing that is
  /// mapped there is replaced. Throws `addressInUse` with what is there, or `system`.
  public init(base: UInt, byteCount: Int) throws(AddressSpaceError) {
    let page = UInt(systemPageByteCount)
    guard byteCount > 0, base != 0, base % page == 0, UInt(byteCount) % page == 0,
      !base.addingReportingOverflow(UInt(byteCount)).overflow
    else {
      throw .invalidArgument("could not reserve \(byteCount) bytes at \(hex(base)): not whole pages.")
    }
    if let error = Self.reserve(base..<base + UInt(byteCount)) { throw error }
    self.base = base
    self.byteCount = byteCount
    owned = true
  }

  /// Gives the addresses back, with everything that was mapped over them.
  public consuming func release() {
    owned = false
    munmap(UnsafeMutableRawPointer(bitPattern: base), byteCount)
  }

  deinit {
    if owned { munmap(UnsafeMutableRawPointer(bitPattern: base), byteCount) }
  }

  static var flags: Int32 { MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE }

  /// Nil when it worked.
  private static func reserve(_ range: Range<UInt>) -> AddressSpaceError? {
    let address = mapMemory(
      at: range.lowerBound, byteCount: range.count, protection: PROT_NONE,
      flags: flags | cplatform_map_fixed_noreplace)
    let attempt = "reserve the addresses \(hex(range.lowerBound))-\(hex(range.upperBound))"
    guard let address else {
      if errno != EEXIST {
        return .system(SystemError(attempt: attempt, call: "mmap", advice: mappingAdvice))
      }
      return .addressInUse("could not \(attempt): \(ProcessMap.occupants(of: range)) is there.")
    }
    if UInt(bitPattern: address) == range.lowerBound { return nil }
    // Kernels before 4.17 take the address for a hint and give another one.
    munmap(address, range.count)
    return .addressInUse(
      "could not \(attempt): the system maps elsewhere; \(ProcessMap.occupants(of: range)) is there.")
  }
}
