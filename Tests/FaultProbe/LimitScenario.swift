import CPlatform
import Coherence
import Glibc
import Node
import Platform

/// Protections that alternate from page to page, with the kernel's limit of mappings in force. In a process
/// of its own, because at the limit everything else that maps memory fails too.
enum LimitScenario: String {
  /// With the budget of production.
  case respected = "limit-respected"
  /// Without a budget: mprotect says ENOMEM.
  case survived = "limit-survived"

  /// Nil, or what did not hold.
  func run() throws -> String? {
    alarm(60)
    let pages = 160_000
    let bytes = pages * 4096
    let frames = try SharedMemoryFile(named: "merino-limit", byteCount: bytes)
    let base = AddressReservation.candidates(byteCount: bytes).first {
      AddressReservation.isFree($0..<$0 + UInt(bytes))
    }
    let reservation = try AddressReservation(base: base ?? 0, byteCount: bytes)
    let space = try SharedAddressSpace(
      frames: frames.descriptor, reservation: reservation,
      boundaryBudget: self == .respected ? nil : 1 << 30)
    let view = try space.attach(0..<bytes, limit: .readWrite)
    let saved = cplatform_block_signals()
    defer { cplatform_restore_signals(saved) }
    return self == .respected ? respect(space, view, pages) : survive(space, view, pages)
  }

  private func respect(_ space: SharedAddressSpace, _ view: ViewExtent, _ pages: Int) -> String? {
    let protection = space.protection
    for page in stride(from: 0, to: pages, by: 2) {
      protection.raise(PageRange(Page(page), count: 1), to: .read, in: view.view)
      if protection.boundaryCount > protection.boundaryBudget { return "over the budget at page \(page)" }
    }
    if protection.failureCode != 0 { return "mprotect failed with \(protection.failureCode)" }
    if pages > protection.boundaryBudget && protection.coarseningCount == 0 { return "nothing was lowered" }
    // The application has its half.
    let memory = mmap(nil, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if UInt(bitPattern: memory) == .max { return "the application cannot map memory" }
    return compare(protection, view)
  }

  private func survive(_ space: SharedAddressSpace, _ view: ViewExtent, _ pages: Int) -> String? {
    let protection = space.protection
    for page in stride(from: 0, to: pages, by: 2) {
      protection.raise(PageRange(Page(page), count: 1), to: .readWrite, in: view.view)
    }
    if protection.coarseningCount == 0 { return "the kernel's limit was not reached" }
    if protection.failureCode != 0 { return "a raise failed with \(protection.failureCode)" }
    // At the limit this program cannot allocate either; the comparison has to.
    protection.lower(PageRange(0, count: pages / 2), to: .none)
    if let failure = compare(protection, view) { return failure }
    // A lowering in the middle of accessible pages needs mappings too.
    protection.lower(PageRange(0, count: pages), to: .none)
    protection.raise(PageRange(0, count: pages), to: .readWrite, in: view.view)
    for page in stride(from: 0, to: pages, by: 2) {
      protection.lower(PageRange(Page(page), count: 1), to: .read)
    }
    protection.lower(PageRange(0, count: pages / 2), to: .none)
    if protection.failureCode != 0 { return "a lowering failed with \(protection.failureCode)" }
    for region in ProcessMap.regions(overlapping: view.addressRange)
    where region.permissions.hasPrefix("rw") && (region.range.count > 4096 || page(region, view) % 2 == 0) {
      return "\(region) is writable"
    }
    return compare(protection, view)
  }

  private func page(_ region: MappedRegion, _ view: ViewExtent) -> Int {
    Int(region.range.lowerBound - view.address) / 4096
  }

  private func compare(_ protection: ViewProtection, _ view: ViewExtent) -> String? {
    let mappings = ProcessMap.regions(overlapping: view.addressRange).count
    return protection.boundaryCount == mappings - 1
      ? nil : "\(protection.boundaryCount) boundaries counted, \(mappings) mappings found"
  }
}
