import Glibc
import Testing

@testable import Doctor

/// A host without a device, one thing wrong at a time.
@Suite struct HostTests {
  let root = FakeRoot()

  @Test func aGoodHostIsReadyForTheHostFabric() {
    let report = report(.fake(root))
    #expect(!report.hasFailed && report.fabric == "host")
    #expect(report.findings.filter { $0.state == .warn }.map(\.check) == ["rdma.devices"])
    #expect(report.text.hasSuffix("0 fail, 2 skip: this host is ready for the fabric \"host\""))
  }

  @Test func onlyLinesThatWarnOrFailHaveACure() {
    var host = Host.fake(root)
    host.environment["MERINO_FABRIC"] = "verbs"
    host.setLimit(.fileSize, soft: 4096)
    for finding in report(host).findings {
      #expect(finding.cure.isEmpty == (finding.state == .pass || finding.state == .skip), "\(finding)")
      #expect(!finding.found.isEmpty && !finding.found.contains("\n"))
    }
  }

  /// Each file that makes a check fail or warn, and nothing else.
  @Test(arguments: [
    ("/proc/sys/vm/max_map_count", "800", "limits.mappings", State.fail),
    ("/proc/sys/vm/max_map_count", "30000", "limits.mappings", .warn),
    ("/proc/meminfo", "MemTotal: 8192 kB\n", "memory.size", .fail),
    ("/sys/fs/cgroup/job/memory.max", "8388608", "memory.size", .fail),
    ("/sys/fs/cgroup/memory.max", "8388608", "memory.size", .fail),
    ("/sys/fs/cgroup/job/pids.max", "5", "limits.tasks", .fail),
  ])
  func aFileDecides(path: String, text: String, check: String, state: State) {
    root.write(path, text + "\n")
    let report = report(.fake(root))
    #expect(report.states(check) == [state])
    #expect(report.hasFailed == (state == .fail))
    #expect(report.count(.fail) == (state == .fail ? 1 : 0))
  }

  @Test func theOldControlGroupsAreReadToo() {
    root.write("/proc/self/cgroup", "3:cpu,cpuacct:/a\n4:memory:/a/b\n")
    root.write("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4194304\n")
    root.write("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n")
    root.write("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n")
    root.write("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n")
    let report = report(.fake(root), ExaminationRequest(nodeCount: 2))
    #expect(report.states("memory.size") == [.fail])
    #expect(report["memory.size"][0].found.hasPrefix("the control group allows 4 MiB of 16 GiB"))
    #expect(report.states("system.processors") == [.warn])
  }

  /// A capacity that is asked for is taken; one that is not is what there is room for.
  @Test func limitsDecideTheDefaultCapacity() {
    root.write("/proc/sys/vm/overcommit_memory", "2\n")
    let request = ExaminationRequest(nodeCount: 4, capacityByteCount: 64 << 30)
    #expect(report(.fake(root), request).states("memory.overcommit") == [.fail])
    #expect(!report(.fake(root)).hasFailed)
    #expect(report(.fake(root))["job.capacity"][0].found.contains("vm.overcommit_memory=2"))
    root.write("/proc/sys/vm/overcommit_memory", "0\n")
    var host = Host.fake(root)
    host.setLimit(.addressSpace, soft: 8 << 30)
    #expect(report(host).states("limits.addresses") == [.pass])
    #expect(report(host)["job.capacity"][0].found.contains("ulimit -v"))
    host.setLimit(.addressSpace, soft: ResourceLimit.unlimited)
    host.setLimit(.lockedMemory, soft: 64 << 10)
    #expect(report(host)["job.capacity"][0].found.hasPrefix("64 GiB of shared addresses (the default)"))
  }

  @Test func strictOvercommitWithRoomPasses() {
    root.write("/proc/sys/vm/overcommit_memory", "2\n")
    root.write("/proc/meminfo", "MemTotal: 16777216 kB\nCommitLimit: 8388608 kB\nCommitted_AS: 0 kB\n")
    let small = report(.fake(root), ExaminationRequest(nodeCount: 2, capacityByteCount: 64 << 20))
    #expect(small.states("memory.overcommit") == [.pass])
  }

  @Test(arguments: [
    (ResourceLimit.Kind.fileSize, UInt64(1 << 20), "limits.file_size"),
    (.addressSpace, 1 << 28, "limits.addresses"), (.openFiles, 80, "limits.open_files"),
    (.processes, 10, "limits.tasks"),
  ])
  func aLimitDecides(kind: ResourceLimit.Kind, value: UInt64, check: String) {
    var host = Host.fake(root)
    host.setLimit(kind, soft: value)
    let report = report(host)
    #expect(report.states(check) == [.fail])
    #expect(report.count(.fail) == 1)
    // As many as the hard limit allows can be opened: the library raises the soft one.
    host.setLimit(kind, soft: value, hard: ResourceLimit.unlimited)
    #expect(Examination(host, ExaminationRequest()).report().hasFailed == (kind != .openFiles))
  }

  @Test func sharedMemoryIsNotTriedBeyondTheFileSizeLimit() {
    var host = Host.fake(root)
    host.setLimit(.fileSize, soft: 4096)
    host.sharedMemoryFailure = { _ in "tried" }
    #expect(report(host).states("memory.shared") == [.skip])
    host.setLimit(.fileSize, soft: ResourceLimit.unlimited)
    #expect(report(host).states("memory.shared") == [.fail])
  }

  @Test func theKernelAndItsPages() {
    var host = Host.fake(root)
    for (release, state) in [
      ("6.18.44", State.pass), ("5.10.0", .pass), ("4.18.0-553.el8", .warn), ("3.10.0", .fail),
    ] {
      host.kernelRelease = release
      #expect(report(host).states("system.kernel") == [state], "\(release)")
    }
  }

  @Test func takenAddressesFail() {
    var host = Host.fake(root)
    host.isFree = { $0.lowerBound != 0x2400_0000_0000 }
    #expect(report(host)["system.address_range"][0].found.contains("the first at 0x360000000000"))
    host.isFree = { _ in false }
    #expect(report(host).states("system.address_range") == [.fail])
  }

  @Test func aJobThatIsOverIsNoticed() {
    var host = Host.fake(root)
    host.environment["MERINO_RENDEZVOUS"] = "/run/merino-x/rendezvous"
    #expect(report(host).states("launcher.environment") == [.fail])
    root.write("/run/merino-x/rendezvous", "")
    #expect(report(host).states("launcher.environment") == [.pass])
  }

  @Test func settingsThatContradictThemselvesFail() {
    var host = Host.fake(root)
    host.environment = ["MERINO_FABRIC": "pigeon", "MERINO_DEVICE": "mlx5_0:first"]
    #expect(report(host).states("job.settings") == [.fail, .fail])
  }

  @Test func peersThatHaveNoAddressesFail() {
    let report = report(.fake(root), ExaminationRequest(nodeCount: 64, capacityByteCount: 4 << 40))
    #expect(report.states("limits.addresses") == [.fail])
    let alone = Doctor.Examination(.fake(root), ExaminationRequest(nodeCount: 1, capacityByteCount: 60 << 40))
    #expect(alone.report().states("limits.addresses") == [.fail])
  }

  @Test func theReportIsJSON() throws {
    let text = report(.fake(root)).json.description
    #expect(text.hasPrefix("{\"checks\": [{\"check\": \"system.kernel\", \"state\": \"pass\", \"found\": "))
    #expect(text.hasSuffix("\"fail\": 0, \"skip\": 2}}"))
  }
}
