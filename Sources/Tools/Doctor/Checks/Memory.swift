import Merino

// The memory of a job: how much it takes, and what the system has against it.

extension Examination {
  func memoryFindings() -> [Finding] {
    guard let needs else { return [.skip("job.capacity", "the capacity is not known (job.settings)")] }
    return [
      capacityFinding(needs), memorySizeFinding(needs), lockLimitFinding(needs), overcommitFinding(needs),
      sharedMemoryFinding(needs), devShmFinding(), userfaultFinding(),
    ]
  }

  func capacityFinding(_ needs: NodeNeeds) -> Finding {
    let name = "job.capacity"
    var found = "\(sizeText(needs.capacityByteCount)) of shared addresses"
    if let bound = needs.capacityBound {
      found += " (the most for which \(bound.clause))"
    } else if !capacityWasAsked {
      found += " (the default)"
    }
    found += "; control memory \(sizeText(needs.controlByteCount)) a node for \(countText(nodeCount, "node"))"
    if !isOverVerbs { found += ", of which what is touched takes memory" }
    return .pass(name, found)
  }

  /// Bytes of the host's memory that this process may use.
  var memoryByteCount: UInt64 {
    min(host.memoryInfo("MemTotal") ?? .max, host.controlGroup.memoryByteCount() ?? .max)
  }

  func memorySizeFinding(_ needs: NodeNeeds) -> Finding {
    let name = "memory.size"
    guard let total = host.memoryInfo("MemTotal") else {
      return .warn(name, "/proc/meminfo cannot be read", cure: "mount /proc: mount -t proc proc /proc")
    }
    let group = host.controlGroup.memoryByteCount()
    let isBound = (group ?? .max) < total
    let found =
      isBound ? "the control group allows \(sizeText(group ?? 0)) of \(sizeText(total))" : sizeText(total)
    let cure =
      (isBound
        ? "raise the container's or the batch job's memory (docker --memory, srun --mem)" : "use more hosts")
      + ", or set MERINO_CAPACITY to less"
    let least = UInt64(nodesHere) * UInt64(needs.residentByteCount)
    if memoryByteCount < least {
      return .fail(
        name,
        "\(found); \(countText(nodesHere, "node")) here take \(sizeText(least)) before they share anything",
        cure: cure)
    }
    let share = UInt64(needs.capacityByteCount / nodeCount * nodesHere)
    if capacityWasAsked && memoryByteCount < share + least {
      return .warn(
        name, "\(found); a job that fills its capacity needs \(sizeText(share + least)) here", cure: cure)
    }
    return .pass(name, found)
  }

  func overcommitFinding(_ needs: NodeNeeds) -> Finding {
    let name = "memory.overcommit"
    guard let mode = host.number("/proc/sys/vm/overcommit_memory") else {
      return .warn(
        name, "/proc/sys/vm/overcommit_memory cannot be read", cure: "mount /proc: mount -t proc proc /proc")
    }
    if mode != 2 { return .pass(name, "vm.overcommit_memory=\(mode): memory counts when it is touched") }
    // There MAP_NORESERVE means nothing: private memory, most of it twins, counts whole.
    let wanted = UInt64(nodesHere) * UInt64(needs.localByteCount)
    let limit = host.memoryInfo("CommitLimit") ?? 0
    let committed = host.memoryInfo("Committed_AS") ?? 0
    let rest = limit > committed ? limit - committed : 0
    let found =
      "vm.overcommit_memory=2: \(sizeText(rest)) can be promised, and \(countText(nodesHere, "node")) here "
      + "ask for "
      + sizeText(wanted)
    if rest >= wanted { return .pass(name, found) }
    return .fail(
      name, found,
      cure: "sysctl vm.overcommit_memory=0, or a larger vm.overcommit_ratio, or set MERINO_CAPACITY to less")
  }

  func sharedMemoryFinding(_ needs: NodeNeeds) -> Finding {
    let name = "memory.shared"
    let byteCount = needs.capacityByteCount
    // Beyond RLIMIT_FSIZE the attempt is answered with a signal that ends this process.
    guard host.limit(.fileSize).soft >= UInt64(byteCount) else {
      return .skip(name, "not tried: the limit of file sizes is lower (limits.file_size)")
    }
    if let failure = host.sharedMemoryFailure(byteCount) {
      return .fail(
        name, failure,
        cure: "set MERINO_CAPACITY to less; in a container allow memfd_create in its seccomp profile")
    }
    return .pass(name, "a memfd of \(sizeText(byteCount)) can be made, mapped, written and given back")
  }

  func devShmFinding() -> Finding {
    let name = "memory.dev_shm"
    let least: UInt64 = 64 << 20
    let why = "Merino itself keeps nothing there (its memory is memfds), mpirun and UCX do"
    let cure = "mount -t tmpfs tmpfs /dev/shm, in a container docker run --shm-size=1g or --ipc=host"
    guard let byteCount = host.fileSystemByteCount("/dev/shm") else {
      return .warn(name, "there is no /dev/shm; \(why)", cure: cure)
    }
    if byteCount < least { return .warn(name, "/dev/shm has \(sizeText(byteCount)); \(why)", cure: cure) }
    return .pass(name, "/dev/shm has \(sizeText(byteCount)); \(why)")
  }

  func userfaultFinding() -> Finding {
    let name = "memory.userfaultfd"
    let why = "this version handles faults by signal and needs none of it"
    switch host.userfault() {
    case .refused(let code):
      return .skip(name, "userfaultfd is refused (errno \(code)); \(why)")
    case .features(let bits, let userOnly):
      let known = Self.userfaultFeatures.enumerated().filter { bits >> UInt64($0.offset) & 1 != 0 }
        .map(\.element)
      let unknown = bits >> UInt64(Self.userfaultFeatures.count)
      let names = known + (unknown == 0 ? [] : ["unknown bits 0x" + String(unknown << 17, radix: 16)])
      let scope = userOnly ? "faults of the program only" : "faults of the program and of system calls"
      return .pass(name, "\(scope); features \(names.joined(separator: ", ")); \(why)")
    }
  }

  /// UFFD_FEATURE_*, by bit.
  static let userfaultFeatures = [
    "pagefault-flag-wp", "event-fork", "event-remap", "event-remove", "missing-hugetlbfs", "missing-shmem",
    "event-unmap", "sigbus", "thread-id", "minor-hugetlbfs", "minor-shmem", "exact-address",
    "wp-hugetlbfs-shmem", "wp-unpopulated", "poison", "wp-async", "move",
  ]
}

extension Host {
  /// What a node that is started here may reserve.
  var room: HostRoom {
    var room = HostRoom(
      memoryByteCount: memoryInfo("MemTotal") ?? 0, addressByteCount: limit(.addressSpace).soft,
      fileByteCount: limit(.fileSize).soft)
    if number("/proc/sys/vm/overcommit_memory") == 2 {
      let limit = memoryInfo("CommitLimit") ?? 0
      room.promiseByteCount = limit - min(memoryInfo("Committed_AS") ?? 0, limit)
    }
    return room
  }
}
