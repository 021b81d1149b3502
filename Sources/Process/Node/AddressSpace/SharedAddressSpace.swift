import CPlatform
import Coherence
import Glibc
import Platform
import Synchronization

/// This process's part of the global address space: the reserved addresses, and the views that
/// show shared pages at them or elsewhere.
///
/// The frames lie in one file at offset = global address. A view maps a range of it, shared, with no access
/// at first; access comes and goes through `protection`. All members may be called from any thread, none
/// from a signal handler, except what `translation` and `protection` say of themselves.
public final class SharedAddressSpace: Sendable {
  /// Looks views up; usable in signal handlers.
  public let translation: TranslationTable
  /// Changes what views allow; usable in signal handlers.
  public let protection: ViewProtection
  /// Where global address 0 is in a view at its default address.
  public let base: UInt
  /// Bytes of the global address space.
  public let capacityByteCount: Int

  let pageByteCount: Int
  let descriptor: Int32
  private let control: MappedMemory
  private let pinMemory: MappedMemory
  /// Serialises attach and detach, so that no two of them decide about one address at a time.
  let changing: Mutex<ViewSlots>
  private let reservation: AddressReservation

  /// - Parameters:
  ///   - frames: descriptor of the memory of the frames, at least as long as the reservation, which stays
  ///     open as long as this object lives.
  ///   - reservation: addresses for views at default addresses; its size is the capacity.
  ///   - pageByteCount: base page of the protocol: a power of two, a multiple of the system's page.
  ///   - viewLimit: views at a time, at most 65,536. What is not used costs addresses alone.
  ///   - boundaryBudget: the most protection boundaries; nil for half of what the kernel allows. At
  ///     least 64, so that all pages of one instruction can be accessible at once.
  public init(
    frames: Int32, reservation: consuming AddressReservation, pageByteCount: Int = 4096,
    viewLimit: Int = 65_536, boundaryBudget: Int? = nil
  ) throws(AddressSpaceError) {
    let capacity = reservation.byteCount
    precondition((1...65_536).contains(viewLimit), "a record's number has 16 bits")
    try Self.check(pageByteCount, capacity)
    do throws(SystemError) {
      let tableBytes = TranslationTable.byteCount(capacity: viewLimit)
      let recordBytes = viewLimit * ViewRecord.byteCount
      control = try MappedMemory(
        ProtectionCounters.byteCount + recordBytes + tableBytes, for: "the table of views")
      pinMemory = try MappedMemory(
        PinSet.byteCount(pageCount: capacity / pageByteCount), for: "the marks of pinned pages")
    } catch {
      throw .system(error)
    }
    let counters = ProtectionCounters(control.start)
    let records = control.start + ProtectionCounters.byteCount
    translation = TranslationTable(records + viewLimit * ViewRecord.byteCount, capacity: viewLimit)
    protection = ViewProtection(
      translation: translation, records: records, counters: counters, pins: PinSet(pinMemory.start),
      pageShift: pageByteCount.trailingZeroBitCount, descriptor: frames)
    counters.budget.store(UInt64(max(boundaryBudget ?? kernelMappingLimit() / 2, 64)))
    base = reservation.base
    capacityByteCount = capacity
    self.pageByteCount = pageByteCount
    descriptor = frames
    changing = Mutex(ViewSlots(limit: viewLimit))
    self.reservation = reservation
  }

  private static func check(_ pageByteCount: Int, _ capacity: Int) throws(AddressSpaceError) {
    guard pageByteCount > 0, pageByteCount & (pageByteCount - 1) == 0,
      pageByteCount % systemPageByteCount == 0
    else {
      throw .invalidArgument(
        "pages of \(pageByteCount) bytes cannot be shared here: this system protects memory in pages of "
          + "\(systemPageByteCount) bytes, so the page must be a power of two and at least that.")
    }
    guard capacity % pageByteCount == 0 else {
      throw .invalidArgument(
        "a capacity of \(capacity) bytes is not a whole number of pages of \(pageByteCount).")
    }
  }

  /// The view at `address`, nil where there is none.
  public func view(containing address: UInt) -> ViewExtent? { translation.extent(containing: address) }

  /// The default address of a global address.
  public func defaultAddress(of globalOffset: Int) -> UInt { base + UInt(globalOffset) }

  /// Ends every view: at finalize, when no thread uses one any more. The addresses stay reserved until
  /// the object goes.
  public func close() { unmapAll() }

  deinit { unmapAll() }
}

/// Mapped memory that goes with its owner.
final class MappedMemory: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  let byteCount: Int

  init(_ byteCount: Int, for purpose: String) throws(SystemError) {
    self.byteCount = max(byteCount, 1)
    start = try mapSparse(self.byteCount, for: purpose)
  }

  deinit { munmap(start, byteCount) }
}

/// vm.max_map_count: the mappings that the kernel gives a process; its default where /proc does not say.
func kernelMappingLimit() -> Int {
  let digits = readProcFile("/proc/sys/vm/max_map_count").prefix { $0 != UInt8(ascii: "\n") }
  return Int(String(decoding: digits, as: UTF8.self)) ?? 65_530
}
