import Bootstrap
import HostFabric
import Merino

// Limits of a process and of its user.

extension Examination {
  func limitFindings() -> [Finding] {
    var findings = [mappingsFinding()]
    if let needs { findings += [fileSizeFinding(needs), addressSpaceFinding(needs)] }
    return findings + [openFilesFinding(), tasksFinding()]
  }

  func mappingsFinding() -> Finding {
    let name = "limits.mappings"
    guard let limit = host.number("/proc/sys/vm/max_map_count") else {
      return .warn(
        name, "/proc/sys/vm/max_map_count cannot be read", cure: "mount /proc: mount -t proc proc /proc")
    }
    let found =
      "vm.max_map_count=\(limit): above \(limit / 2) changes of protection from page to page, neighbouring "
      + "pages lose theirs and fault again"
    let cure = "sysctl vm.max_map_count=1048576, and the same in /etc/sysctl.d to keep it"
    // What a program and its libraries map, and two mappings for each other node on this host.
    if limit < 1_024 + 2 * nodesHere { return .fail(name, found, cure: cure) }
    // The kernel's own default.
    if limit < 65_530 { return .warn(name, found, cure: cure) }
    return .pass(name, found)
  }

  func fileSizeFinding(_ needs: NodeNeeds) -> Finding {
    let name = "limits.file_size"
    let limit = host.limit(.fileSize).soft
    let found = "files may have \(ResourceLimit.sizeText(limit)), and a node's memory is a file of "
    let size = max(needs.capacityByteCount, needs.controlByteCount)
    if limit >= UInt64(size) { return .pass(name, found + sizeText(size)) }
    return .fail(
      name, found + sizeText(size), cure: "ulimit -f unlimited, or set MERINO_CAPACITY to less")
  }

  func addressSpaceFinding(_ needs: NodeNeeds) -> Finding {
    let name = "limits.addresses"
    let perPeer = needs.controlByteCount + needs.capacityByteCount
    let peers = isOverVerbs ? 0 : nodeCount - 1
    let (inPeers, overflow) = perPeer.multipliedReportingOverflow(by: peers)
    if overflow || inPeers > HostFabric.peerByteCountMax {
      return .fail(
        name,
        "a node maps \(countText(peers, "other node")) with \(sizeText(perPeer)) each, more than a process "
          + "has addresses for", cure: "set MERINO_CAPACITY to less, or start fewer nodes on one host")
    }
    // Its own frames are mapped once for the library, and reserved once for the program's views.
    let wanted = UInt64(inPeers + perPeer + needs.capacityByteCount + needs.localByteCount)
    if wanted > UInt64(NodeNeeds.processAddressByteCount) {
      return .fail(
        name, "a node takes \(sizeText(wanted)) of addresses, more than a process has",
        cure: "set MERINO_CAPACITY to less")
    }
    let limit = host.limit(.addressSpace).soft
    let found =
      "a process may have \(ResourceLimit.sizeText(limit)) of addresses, a node takes \(sizeText(wanted))"
    if limit >= wanted { return .pass(name, found) }
    return .fail(name, found, cure: "ulimit -v unlimited, or set MERINO_CAPACITY to less")
  }

  func openFilesFinding() -> Finding {
    let name = "limits.open_files"
    let limit = host.limit(.openFiles)
    // As the launcher and an exchange of descriptors count them, with room for what is open anyway.
    let wanted = UInt64(nodesHere * 6 + 64)
    let most = limit.hard == ResourceLimit.unlimited ? "any number of" : "up to \(limit.hard)"
    let found =
      "a process may open \(most) files (Merino raises its limit); \(wanted) are needed for "
      + "\(countText(nodesHere, "node")) here"
    if limit.hard >= wanted { return .pass(name, found) }
    return .fail(
      name, found,
      cure: "ulimit -Hn \(wanted) as root, or nofile in /etc/security/limits.conf, or fewer nodes")
  }

  func tasksFinding() -> Finding {
    let name = "limits.tasks"
    // A program's threads come on top: each node has one of the library, and the launcher two processes.
    let wanted = UInt64(nodesHere * 2 + 8)
    if let limit = host.controlGroup.taskCount() {
      let now = host.controlGroup.tasksNow() ?? 0
      let rest = limit > now ? limit - now : 0
      if rest < wanted {
        return .fail(
          name, "the control group has room for \(rest) more tasks (pids.max), \(wanted) are needed",
          cure: "docker run --pids-limit=-1, or a larger pids.max (TasksMax= of the systemd unit)")
      }
    }
    let limit = host.limit(.processes).soft
    let found = "the user may have \(limit == ResourceLimit.unlimited ? "any number of" : "\(limit)") tasks, "
    if host.userID == 0 || limit >= wanted { return .pass(name, found + "\(wanted) are needed") }
    return .fail(
      name, found + "\(wanted) are needed", cure: "ulimit -u, or nproc in /etc/security/limits.conf")
  }
}
