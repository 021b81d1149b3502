import Merino

// What a device has registered is pinned, and counts against RLIMIT_MEMLOCK.

extension Examination {
  func lockLimitFinding(_ needs: NodeNeeds) -> Finding {
    let name = "memory.lock_limit"
    let limit = host.limit(.lockedMemory)
    let shown = "the limit of locked memory is " + ResourceLimit.sizeText(limit.soft)
    if !isOverVerbs { return .pass(name, "\(shown); the fabric \"host\" locks nothing") }
    if limit.soft == ResourceLimit.unlimited { return .pass(name, shown) }
    if host.mayLockAnything {
      return .pass(name, "\(shown), which does not bind this process (CAP_IPC_LOCK)")
    }
    let control = UInt64(needs.controlByteCount)
    // What is registered is pinned, so it cannot be more than the host has.
    let most = min(UInt64(needs.capacityByteCount), memoryByteCount)
    // An unnamed capacity is an upper limit that few programs fill: what every job can expect is the least
    // default.
    let expected = capacityWasAsked ? most : min(most, Self.leastCapacity)
    let share = roundedToChunks(expected / UInt64(nodeCount))
    if limit.soft >= control + most {
      return .pass(name, "\(shown): enough for control memory and every chunk (\(sizeText(control + most)))")
    }
    let found =
      "\(shown); a node registers \(sizeText(control)) of control memory and the chunks that it touches"
    let cure = lockLimitCure(limit, control + most)
    if limit.soft >= control + share {
      return .warn(
        name, "\(found): there is room for \(sizeText(limit.soft - control)) of \(sizeText(most))", cure: cure
      )
    }
    let room = limit.soft > control ? limit.soft - control : 0
    return .fail(
      name,
      "\(found), \(sizeText(share)) as its share of \(sizeText(expected)) among "
        + "\(countText(nodeCount, "node")): there is room for \(sizeText(room))", cure: cure)
  }

  private static let leastCapacity: UInt64 = 1 << 30

  private func roundedToChunks(_ byteCount: UInt64) -> UInt64 {
    let chunk = UInt64(NodeNeeds.chunkByteCount)
    return (byteCount + chunk - 1) / chunk * chunk
  }

  private func lockLimitCure(_ limit: ResourceLimit, _ wanted: UInt64) -> String {
    if limit.hard >= wanted {
      return "ulimit -l \(limit.hard == ResourceLimit.unlimited ? "unlimited" : "hard")"
    }
    return "as root, write \"* - memlock unlimited\" to /etc/security/limits.conf and log in anew; set "
      + "LimitMEMLOCK=infinity for the batch system's daemon; start containers with --ulimit memlock=-1"
  }
}

extension Host {
  /// Whether RLIMIT_MEMLOCK does not count for registered memory: CAP_IPC_LOCK of the initial user namespace.
  var mayLockAnything: Bool {
    let lockBit: UInt64 = 1 << 14
    let line = (text("/proc/self/status") ?? "").split(separator: "\n").first { $0.hasPrefix("CapEff:") }
    let bits = line?.split(whereSeparator: \.isWhitespace).last.flatMap { UInt64($0, radix: 16) } ?? 0
    guard bits & lockBit != 0 else { return false }
    // The initial namespace maps all users to themselves; the root of another one may not.
    let map = (text("/proc/self/uid_map") ?? "").split(whereSeparator: \.isWhitespace)
    return map == ["0", "0", "4294967295"]
  }
}
