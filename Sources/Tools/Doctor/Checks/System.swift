import Node

// The kernel, the processors, the addresses.

extension Examination {
  func systemFindings() -> [Finding] {
    [kernelFinding(), pageSizeFinding(), processorsFinding(), randomisationFinding(), addressRangeFinding()]
  }

  func kernelFinding() -> Finding {
    let name = "system.kernel"
    let numbers = host.kernelRelease.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
    guard numbers.count == 2 else {
      return .warn(
        name, "the kernel's version \"\(host.kernelRelease)\" cannot be read",
        cure: "compare uname -r with 5.10")
    }
    let version = (numbers[0], numbers[1])
    let found = "Linux \(host.kernelRelease)"
    if version >= (5, 10) { return .pass(name, found) }
    let cure = "install a kernel of version 5.10 or newer"
    // MAP_FIXED_NOREPLACE; before it a mapping at a given address can end somewhere else.
    if version < (4, 17) { return .fail(name, "\(found) is older than 4.17", cure: cure) }
    return .warn(name, "\(found) is older than 5.10; Merino is not tested there", cure: cure)
  }

  func pageSizeFinding() -> Finding {
    let name = "system.page_size"
    let found = "pages of \(host.pageByteCount) bytes; all hosts of a job need the same"
    if host.pageByteCount <= 65_536 { return .pass(name, found) }
    return .fail(name, found, cure: "boot a kernel with pages of 64 KiB or less")
  }

  func processorsFinding() -> Finding {
    let name = "system.processors"
    let quota = host.controlGroup.processorQuota()
    let usable = quota.map { min($0, Double(host.processorCount)) } ?? Double(host.processorCount)
    var found = countText(host.processorCount, "processor") + " for this process"
    if let quota, quota < Double(host.processorCount) {
      found += ", of whose time its control group gives \((quota * 10).rounded() / 10)"
    }
    if !nodesWereAsked || usable >= Double(nodesHere) { return .pass(name, found) }
    return .warn(
      name, "\(found) and \(countText(nodesHere, "node")) here: they take turns, which works and is slower",
      cure: "start no more nodes than processors on a host, or raise the quota (docker --cpus, cpu.max)")
  }

  func randomisationFinding() -> Finding {
    let name = "system.randomisation"
    if host.addressesAreFixed {
      return .pass(name, "off for this process (setarch -R); Merino works with and without")
    }
    guard let value = host.number("/proc/sys/kernel/randomize_va_space") else {
      return .warn(
        name, "/proc/sys/kernel/randomize_va_space cannot be read",
        cure: "mount /proc: mount -t proc proc /proc")
    }
    let words = ["off", "stack and mappings", "stack, mappings and heap"]
    let found = words.indices.contains(value) ? words[value] : "\(value)"
    return .pass(name, "kernel.randomize_va_space=\(value) (\(found)); Merino works with each")
  }

  func addressRangeFinding() -> Finding {
    let name = "system.address_range"
    guard let needs else { return .skip(name, "the capacity is not known (job.settings)") }
    let capacity = needs.capacityByteCount
    let candidates = AddressReservation.candidates(byteCount: capacity)
    let free = candidates.filter { host.isFree($0..<$0 + UInt(capacity)) }
    let cure =
      "set MERINO_CAPACITY to less; look at ulimit -v and at what /proc/self/maps of the program shows"
    guard let first = free.first else {
      return .fail(
        name, "none of \(candidates.count) ranges of addresses has \(sizeText(capacity)) free", cure: cure)
    }
    return .pass(
      name,
      "\(free.count) of \(candidates.count) ranges of \(sizeText(capacity)) are free, the first at 0x"
        + String(first, radix: 16))
  }
}
