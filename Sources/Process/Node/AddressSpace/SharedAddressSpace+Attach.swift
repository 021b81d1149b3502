import CPlatform
import Coherence
import Glibc
import Platform

/// Which records are in use, and what is to be unmapped with each. Under the lock of attach and detach.
struct ViewSlots {
  /// The per-page memory of each view, nil where the record is free.
  var levels: [MappedMemory?] = []
  /// Records that were used and are free, taken from the end; then the next one that never was.
  var free: [Int] = []
  let limit: Int
  /// Views attached so far, so that no id comes twice.
  var attachedCount = 0

  init(limit: Int) { self.limit = limit }

  /// A record for the next view; `nil` where all are taken.
  var next: Int? { free.last ?? (levels.count < limit ? levels.count : nil) }

  mutating func take(_ index: Int, _ memory: MappedMemory) {
    if free.last == index {
      free.removeLast()
      levels[index] = memory
    } else {
      levels.append(memory)
    }
    attachedCount += 1
  }

  mutating func giveBack(_ index: Int) {
    levels[index] = nil
    free.append(index)
  }
}

extension SharedAddressSpace {
  /// Maps `range` (bytes of the global address space, whole pages) into this process.
  ///
  /// Nobody may access the view's pages until then; afterwards an access faults and is served. Any number
  /// of views may show the same pages.
  /// - Parameters:
  ///   - address: where, on a page boundary; nil for the default address, the same on all nodes.
  ///   - limit: the most that the view allows: `read` or `readWrite`.
  /// - Throws: `addressInUse`, `invalidArgument`, `tooManyViews` or `system`; then nothing has changed.
  public func attach(
    _ range: Range<Int>, at address: UInt? = nil, limit: Access
  ) throws(AddressSpaceError) -> ViewExtent {
    let wanted = address ?? defaultAddress(of: max(range.lowerBound, 0))
    try check(range, wanted, limit)
    return try changing.withLock { slots throws(AddressSpaceError) in
      guard !isAllocationRefused(), let index = slots.next else {
        throw .tooManyViews(limit: translation.capacity)
      }
      let view = ViewID(slots.attachedCount << ViewProtection.recordBits | index)
      let extent = ViewExtent(
        view: view, address: wanted, globalStart: range.lowerBound, byteCount: range.count, limit: limit)
      try refuseOverlap(extent)
      // Before any mapping of our own, which might take the very addresses that the caller found free.
      try map(extent)
      let levels: MappedMemory
      do throws(SystemError) {
        levels = try MappedMemory(
          PageLevels.byteCount(range.count / pageByteCount), for: "a view's protection")
      } catch {
        unmap(extent)
        throw .system(error)
      }
      fillRecord(index, extent, levels.start)
      // The last step: from here on faults find the view. It cannot be refused, all was checked.
      guard case .done = translation.insert(extent) else { preconditionFailure("the table has other views") }
      slots.take(index, levels)
      return extent
    }
  }

  /// Ends a view. What was written through it stays in the frames. No thread may use the view any more: an
  /// access during the call, or after it, is one to memory that is not there.
  public func detach(_ view: ViewID) throws(AddressSpaceError) {
    try changing.withLock { slots throws(AddressSpaceError) in
      let index = view.recordIndex
      guard view >= 0, index < translation.capacity,
        let extent = translation.extent(containing: protection.address(of: view)), extent.view == view
      else { throw .noSuchView }
      // In this order: nobody changes the protection of addresses that are not ours any more.
      emptyRecord(of: extent)
      _ = translation.remove(view)
      unmap(extent)
      slots.giveBack(index)
    }
  }

  private func check(_ range: Range<Int>, _ address: UInt, _ limit: Access) throws(AddressSpaceError) {
    guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= capacityByteCount,
      range.lowerBound % pageByteCount == 0, range.upperBound % pageByteCount == 0, limit != .none
    else {
      throw .invalidArgument(
        "could not attach bytes \(range.lowerBound) to \(range.upperBound) of the global address space: a "
          + "view is whole pages of \(pageByteCount) bytes within \(capacityByteCount), and readable.")
    }
    guard address != 0, address % UInt(pageByteCount) == 0,
      !address.addingReportingOverflow(UInt(range.count)).overflow
    else {
      throw .invalidArgument(
        "could not attach at \(hex(address)): a view begins at a multiple of \(pageByteCount) bytes.")
    }
  }

  private func refuseOverlap(_ extent: ViewExtent) throws(AddressSpaceError) {
    let range = extent.addressRange
    if let other = translation.extent(overlapping: range) {
      throw .addressInUse(
        "could not attach a view at \(hex(range.lowerBound))-\(hex(range.upperBound)): the view at "
          + "\(hex(other.address))-\(hex(other.addressRange.upperBound)) is there; detach it first.")
    }
    let reserved = base..<base + UInt(capacityByteCount)
    if !isDefault(extent) && range.overlaps(reserved) {
      throw .addressInUse(
        "could not attach a view at \(hex(range.lowerBound))-\(hex(range.upperBound)): Merino keeps "
          + "\(hex(reserved.lowerBound))-\(hex(reserved.upperBound)) free for views at their default "
          + "addresses."
      )
    }
  }

  func isDefault(_ extent: ViewExtent) -> Bool { extent.address == defaultAddress(of: extent.globalStart) }

  /// At the default address over our own reservation, elsewhere only where nothing is.
  private func map(_ extent: ViewExtent) throws(AddressSpaceError) {
    let placement = isDefault(extent) ? MAP_FIXED : cplatform_map_fixed_noreplace
    let range = extent.addressRange
    let attempt = "attach a view at \(hex(range.lowerBound))-\(hex(range.upperBound))"
    guard
      let memory = mapMemory(
        at: extent.address, byteCount: extent.byteCount, protection: PROT_NONE,
        flags: MAP_SHARED | MAP_NORESERVE | placement, descriptor: descriptor, offset: extent.globalStart)
    else {
      if errno != EEXIST {
        throw .system(SystemError(attempt: attempt, call: "mmap", advice: mappingAdvice))
      }
      throw .addressInUse("could not \(attempt): \(ProcessMap.occupants(of: range)) is there.")
    }
    if UInt(bitPattern: memory) != extent.address {
      // Kernels before 4.17 take the address for a hint.
      munmap(memory, extent.byteCount)
      throw .addressInUse("could not \(attempt): \(ProcessMap.occupants(of: range)) is there.")
    }
    // A child made by fork() would write its parent's frames past the protocol.
    madvise(memory, extent.byteCount, MADV_DONTFORK)
  }

  private func unmap(_ extent: ViewExtent) {
    let memory = UnsafeMutableRawPointer(bitPattern: extent.address)
    guard isDefault(extent) else {
      munmap(memory, extent.byteCount)
      return
    }
    let flags = AddressReservation.flags | MAP_FIXED
    let mapped = mapMemory(
      at: extent.address, byteCount: extent.byteCount, protection: PROT_NONE, flags: flags)
    // Out of mappings: the inaccessible view itself keeps the addresses free; the next attach replaces it.
    if mapped == nil { mprotect(memory, extent.byteCount, PROT_NONE) }
  }

  private func fillRecord(_ index: Int, _ extent: ViewExtent, _ levels: UnsafeMutableRawPointer) {
    protection.withRecord(index) { record in
      record.fill(
        extent, firstPage: Page(extent.globalStart / pageByteCount),
        pageCount: extent.byteCount / pageByteCount,
        levels: levels)
      record.identity.store(extent.view.identity)
    }
    if protection.counters.recordCount.load() < UInt64(index + 1) {
      protection.counters.recordCount.store(UInt64(index + 1))
    }
  }

  private func emptyRecord(of extent: ViewExtent) {
    protection.withRecord(extent.view.recordIndex) { record in
      let levels = record.levels
      let boundaries = levels.boundaries(inWindows: 0, (levels.count >> PageLevels.windowShift) + 1)
      protection.addBoundaries(-boundaries)
      record.identity.store(0)
    }
  }

  /// Ends every view and gives the addresses back with the object.
  func unmapAll() {
    for extent in translation.extents() {
      emptyRecord(of: extent)
      _ = translation.remove(extent.view)
      unmap(extent)
    }
  }
}

extension ViewProtection {
  /// Where the view that has, or last had, this view's record lies; 0 where there was none.
  func address(of view: ViewID) -> UInt {
    var address: UInt = 0
    withRecord(view.recordIndex) { address = UInt(bitPattern: $0.address) }
    return address
  }

  /// Runs `body` under the lock of a record, with signals blocked.
  func withRecord(_ index: Int, _ body: (ViewRecord) -> Void) {
    let saved = cplatform_block_signals()
    acquireSpinLock(record(index).lock)
    body(record(index))
    releaseSpinLock(record(index).lock)
    cplatform_restore_signals(saved)
  }
}
