/// The limits of the control groups that this process is in, version 2 and 1; the smallest along the path
/// counts.
struct ControlGroup {
  let host: Host

  /// Bytes of memory; nil where there is no limit.
  func memoryByteCount() -> UInt64? {
    // Version 1 writes "no limit" as a number near 2^63.
    smallest("memory", "memory.max", "memory.limit_in_bytes").flatMap { $0 < 1 << 62 ? $0 : nil }
  }

  /// Threads and processes; nil where there is no limit.
  func taskCount() -> UInt64? { smallest("pids", "pids.max", "pids.max") }

  /// Threads and processes that are there, where the limit of `taskCount` is.
  func tasksNow() -> UInt64? {
    directories("pids").lazy.compactMap { host.text($0 + "/pids.current") }.first.flatMap { UInt64($0) }
  }

  /// Processors' worth of time; nil where there is no limit.
  func processorQuota() -> Double? {
    let second = directories("cpu").compactMap { directory -> Double? in
      let parts = (host.text(directory + "/cpu.max") ?? "").split(separator: " ").compactMap { Double($0) }
      return parts.count == 2 && parts[1] > 0 ? parts[0] / parts[1] : nil
    }
    let first = directories("cpu").compactMap { directory -> Double? in
      guard let quota = host.number(directory + "/cpu.cfs_quota_us"), quota > 0,
        let period = host.number(directory + "/cpu.cfs_period_us"), period > 0
      else { return nil }
      return Double(quota) / Double(period)
    }
    return (second + first).min()
  }

  private func smallest(_ controller: String, _ second: String, _ first: String) -> UInt64? {
    directories(controller).flatMap { [$0 + "/" + second, $0 + "/" + first] }
      .compactMap { host.text($0).flatMap { UInt64($0) } }.min()
  }

  /// The group's directory and those above it, in the hierarchy of version 2 and in the controller's of
  /// version 1.
  private func directories(_ controller: String) -> [String] {
    (host.text("/proc/self/cgroup") ?? "").split(separator: "\n").flatMap { line -> [String] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let isSecond = parts[0] == "0" && parts[1].isEmpty
      let isFirst = parts[1].split(separator: ",").contains { $0 == controller }
      guard isSecond || isFirst else { return [] }
      return Self.ancestors(isSecond ? "/sys/fs/cgroup" : "/sys/fs/cgroup/\(controller)", parts[2])
    }
  }

  private static func ancestors(_ mount: String, _ path: Substring) -> [String] {
    var all = [mount]
    for part in path.split(separator: "/") {
      all.append((all.last ?? mount) + "/" + part)
    }
    return all.reversed()
  }
}

extension Host {
  var controlGroup: ControlGroup { ControlGroup(host: self) }
}
