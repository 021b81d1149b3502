import Glibc
import Testing

@testable import Doctor
@testable import Verbs

/// A host with RDMA devices, one thing wrong at a time.
@Suite struct DeviceTests {
  let root = FakeRoot()

  func host(_ devices: RDMADevice...) -> Host {
    var host = Host.fake(root)
    host.setDevices(devices)
    return host
  }

  @Test func aGoodDeviceIsChosen() {
    root.addDevice("rxe0", "eth0")
    let report = report(host(.roce("rxe0")))
    #expect(report.fabric == "verbs" && report.count(.fail) + report.count(.warn) == 0)
    #expect(
      report["rdma.choice"][0].found
        == "rxe0 port 1, 192.0.2.1 of eth0 (GID 1, RoCE v2): the first that is active and has atomics"
    )
  }

  /// What is wrong with the only device: under `auto` the job falls back to the host fabric and the line
  /// warns; where verbs is demanded it fails; where host is demanded it is no matter.
  @Test(arguments: [
    ("rdma.port_state", RDMADevice.roce("rxe0", state: .down)),
    ("rdma.atomics", .roce("rxe0", atomics: .none)),
    ("rdma.reads_in_flight", .roce("rxe0", reads: 0)),
    ("rdma.addresses", .roce("rxe0", gids: [])),
  ])
  func theOnlyDeviceDoesNotDo(check: String, device: RDMADevice) {
    root.addDevice("rxe0", "eth0")
    for (fabric, state, failed) in [
      ("auto", State.warn, false), ("verbs", .fail, true), ("host", .skip, false),
    ] {
      let report = report(host(device), ExaminationRequest(fabric: fabric))
      #expect(report.states(check) == [state], "\(fabric)")
      #expect(report.hasFailed == failed)
      #expect(report.fabric == (fabric == "verbs" ? "verbs" : "host"))
    }
  }

  @Test func withoutAnIPAddressConnectionsAreMadeByGID() {
    root.addDevice("rxe0", "eth0")
    var host = host(.roce("rxe0", gids: [.linkLocal]))
    // Then the connection manager is not needed.
    host.openFailure = { $0.hasSuffix("rdma_cm") ? EACCES : 0 }
    let exchanged = report(host)
    #expect(exchanged.fabric == "verbs" && !exchanged.hasFailed)
    #expect(exchanged.states("rdma.addresses") == [.warn])
    #expect(exchanged.states("rdma.connection_manager") == [.skip])
    #expect(exchanged["rdma.choice"][0].found.hasPrefix("rxe0 port 1, GID 0 of eth0, exchanged at joining"))
    host.environment["MERINO_CONNECT"] = "cm"
    #expect(report(host).states("rdma.addresses") == [.fail])
  }

  @Test func aJobOfOneNodeNeedsNoDevice() {
    root.addDevice("rxe0", "eth0")
    #expect(report(host(.roce("rxe0")), ExaminationRequest(nodeCount: 1)).fabric == "host")
  }

  @Test func aDeviceThatIsNotNeededIsNoMatter() {
    root.addDevice("mlx5_0", "eth0")
    root.addDevice("mlx5_1", "eth1")
    let report = report(host(.roce("mlx5_0", state: .down), .roce("mlx5_1")))
    #expect(!report.hasFailed && report.states("rdma.port_state") == [.skip, .pass])
    #expect(report["rdma.choice"][0].found.contains("passed over: mlx5_0 port 1: the port is down"))
  }

  @Test func aDemandedDeviceIsTheOnlyOne() {
    root.addDevice("mlx5_0", "eth0")
    root.addDevice("mlx5_1", "eth1")
    var host = host(.roce("mlx5_0"), .roce("mlx5_1"))
    host.environment["MERINO_DEVICE"] = "mlx5_1:1"
    #expect(report(host)["rdma.choice"][0].found.hasPrefix("mlx5_1 port 1, "))
    host.environment["MERINO_DEVICE"] = "mlx5_1:2"
    let refused = report(host, ExaminationRequest(fabric: "verbs"))
    #expect(refused.states("rdma.choice") == [.fail])
    #expect(refused["rdma.choice"][0].found.contains("port 2 was demanded"))
  }

  @Test func withoutADeviceVerbsFails() {
    let report = report(.fake(root), ExaminationRequest(fabric: "verbs"))
    #expect(
      report.hasFailed && report.states("rdma.devices") == [.fail] && report.states("fabric") == [.fail])
    #expect(report["rdma.devices"][0].cure.contains("rdma link add rxe0"))
  }

  @Test func aCardWithoutItsModuleIsNamed() {
    root.write("/sys/bus/pci/devices/0000:01:00.0/class", "0x020000\n")
    root.write("/sys/bus/pci/devices/0000:01:00.0/vendor", "0x15b3\n")
    #expect(report(.fake(root))["rdma.devices"][0].cure.hasPrefix("modprobe mlx5_ib"))
  }

  @Test func modulesThatAreMissingAreNamed() {
    root.addDevice("rxe0", "eth0")
    root.write("/proc/modules", "ib_core 1 0 - Live\n")
    let finding = report(host(.roce("rxe0")))["rdma.modules"][0]
    #expect(finding.state == .fail && finding.cure.hasPrefix("modprobe -a rdma_ucm,"))
    // Built in: no module of that name, but what it does is there.
    root.write("/sys/class/misc/rdma_cm/dev", "10:124\n")
    #expect(report(host(.roce("rxe0"))).states("rdma.modules") == [.pass])
  }

  @Test func aDeviceFileThatMayNotBeOpened() {
    root.addDevice("rxe0", "eth0")
    var host = Host.fake(root)
    host.openFailure = { $0.hasSuffix("uverbs0") ? EACCES : 0 }
    let error = VerbsError("ibv_open_device", on: "device rxe0", .system(code: EACCES))
    host.setDevices([RDMADevice(name: "rxe0", content: .failed(error))])
    let auto = report(host)
    #expect(auto.states("rdma.permissions") == [.warn] && auto.states("fabric") == [.warn])
    #expect(auto["rdma.permissions"][0].cure.hasPrefix("chmod a+rw /dev/infiniband/uverbs0"))
    #expect(report(host, ExaminationRequest(fabric: "verbs")).states("rdma.permissions") == [.fail])
  }

  @Test func theConnectionManagerMayNotBeOpened() {
    root.addDevice("rxe0", "eth0")
    var host = host(.roce("rxe0"))
    host.openFailure = { $0.hasSuffix("rdma_cm") ? EACCES : 0 }
    #expect(report(host).states("rdma.connection_manager") == [.fail])
    host.openFailure = { $0.hasSuffix("rdma_cm") ? EPERM : 0 }
    #expect(report(host)["rdma.connection_manager"][0].cure.contains("--device=/dev/infiniband"))
  }

  @Test func aDeviceThatTheLibraryDoesNotList() {
    root.addDevice("mlx5_0", "eth0")
    #expect(report(.fake(root))["rdma.permissions"][0].cure.contains("ibverbs-providers"))
    root.remove("/dev/infiniband/uverbs0")
    #expect(
      report(.fake(root))["rdma.permissions"][0].found.hasSuffix("/dev/infiniband/uverbs0 is not there"))
  }

  @Test(arguments: [
    (PathMTU.bytes4096, 9000, State.pass), (.bytes4096, 4200, .pass), (.bytes1024, 1500, .warn),
    (.bytes4096, 1500, .fail), (.bytes1024, 9000, .warn),
  ])
  func packetsAndTheInterface(mtu: PathMTU, interface: Int, state: State) {
    root.addDevice("rxe0", "eth0", mtu: interface)
    #expect(report(host(.roce("rxe0", mtu: mtu))).states("rdma.mtu") == [state])
  }

  @Test func theAddressIsIPv4BeforeIPv6AndVersion2Before1() {
    func chosen(_ types: [String], _ gids: [GlobalIdentifier]) -> String {
      root.remove("/sys/class/infiniband")
      root.remove("/sys/class/infiniband_verbs")
      root.addDevice("rxe0", "eth0", gids: types)
      return report(host(.roce("rxe0", gids: gids)))["rdma.choice"][0].found
    }
    let v1 = "IB/RoCE v1", v2 = "RoCE v2"
    #expect(chosen([v2, v1, v2], [.linkLocal, .ipv4, .ipv4]).contains("(GID 2, RoCE v2)"))
    #expect(chosen([v2, v2, v1], [.linkLocal, .ipv6, .ipv4]).contains("(GID 2, IB/RoCE v1)"))
    #expect(
      chosen([v1, v2], [.ipv6, .ipv6]).contains("2001:0db8:0000:0000:0000:0000:0000:0009 of eth0 (GID 1,"))
  }

  @Test func infiniBandIsAddressedByItsInterfaceOrByLID() {
    root.addDevice("mlx5_0", "ib0")
    var host = host(.roce("mlx5_0", gids: [.linkLocal], layer: .infiniBand))
    #expect(report(host)["rdma.choice"][0].found.hasPrefix("mlx5_0 port 1, LID 7 and GID 0"))
    root.write("/sys/class/net/ib0/type", "32\n")
    root.write("/sys/class/net/ib0/dev_port", "0\n")
    root.write("/sys/class/net/ib0/device/infiniband/mlx5_0/x", "")
    host.interfaceAddresses = {
      ["fe80::1", "2001:db8::5", "10.0.0.5"].map {
        InterfaceAddress(
          interface: "ib0", text: $0, isIPv4: $0.hasPrefix("10"), isLinkLocal: $0.hasPrefix("fe80"))
      }
    }
    #expect(report(host)["rdma.choice"][0].found.hasPrefix("mlx5_0 port 1, 10.0.0.5 of ib0 (IPoIB)"))
  }
}

/// The limit of locked memory against what a node registers.
@Suite struct LockedMemoryTests {
  let root = FakeRoot()

  func state(_ limit: UInt64, _ capacity: Int?, _ change: (inout Host) -> Void = { _ in }) -> State {
    root.addDevice("rxe0", "eth0")
    var host = Host.fake(root)
    host.setDevices([.roce("rxe0")])
    host.setLimit(.lockedMemory, soft: limit)
    change(&host)
    return report(host, ExaminationRequest(nodeCount: 2, capacityByteCount: capacity))["memory.lock_limit"][0]
      .state
  }

  @Test func theLimitIsComparedWithWhatANodeRegisters() {
    #expect(state(8 << 20, nil) == .fail)
    #expect(state(8 << 20, 1 << 30) == .fail)
    // Half of the capacity and control memory, but not all of it.
    #expect(state(600 << 20, 1 << 30) == .warn)
    #expect(state(1100 << 20, 1 << 30) == .pass)
    #expect(state(ResourceLimit.unlimited, 1 << 30) == .pass)
    // More than the host has cannot be pinned.
    #expect(state(17 << 30, 64 << 30) == .pass)
  }

  @Test func aCapabilityOfTheInitialNamespaceLiftsIt() {
    root.write("/proc/self/status", "CapEff:\t0000000000004000\n")
    #expect(state(8 << 20, 1 << 30) == .pass)
    root.write("/proc/self/uid_map", "         0     100000      65536\n")
    #expect(state(8 << 20, 1 << 30) == .fail)
  }

  @Test func theHostFabricLocksNothing() {
    #expect(state(8 << 20, 1 << 30) { $0.environment["MERINO_FABRIC"] = "host" } == .pass)
  }
}
