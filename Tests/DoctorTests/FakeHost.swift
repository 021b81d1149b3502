import Glibc

@testable import Doctor
@testable import Verbs

/// A directory that plays the root of a host's /proc, /sys and /dev; gone with the last reference.
final class FakeRoot {
  let path: String

  init() {
    var template = Array("/tmp/merino-doctor-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent"
    // A host on which everything passes; tests change what they are about.
    write("/proc/meminfo", "MemTotal: 16777216 kB\nCommitLimit: 8388608 kB\nCommitted_AS: 1048576 kB\n")
    write("/proc/self/status", "Name: merino\nCapEff: 0000000000000000\n")
    write("/proc/self/uid_map", "         0          0 4294967295\n")
    write("/proc/self/cgroup", "0::/job\n")
    write("/proc/sys/vm/max_map_count", "65530\n")
    write("/proc/sys/vm/overcommit_memory", "0\n")
    write("/proc/sys/kernel/randomize_va_space", "2\n")
    write(
      "/proc/modules", "rdma_rxe 1 0 - Live\nib_core 1 0 - Live\nib_uverbs 1 0 - Live\nrdma_ucm 1 0 - Live\n")
  }

  deinit { Self.remove(path) }

  func write(_ file: String, _ text: String) {
    let target = path + file
    var at = target.startIndex
    while let slash = target[target.index(after: at)...].firstIndex(of: "/") {
      mkdir(String(target[..<slash]), 0o755)
      at = slash
    }
    let descriptor = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    _ = Glibc.write(descriptor, text, text.utf8.count)
    close(descriptor)
  }

  func remove(_ file: String) { Self.remove(path + file) }

  private static func remove(_ path: String) {
    for name in HostFiles.entries(path) { remove(path + "/" + name) }
    if rmdir(path) != 0 { unlink(path) }
  }

  /// What /sys and /dev show of a RoCE device with one port.
  func addDevice(
    _ name: String, _ interface: String, mtu: Int = 9000, gids: [String] = ["RoCE v2", "RoCE v2"]
  ) {
    let number = HostFiles.entries(path + "/sys/class/infiniband").count
    write("/sys/class/infiniband/\(name)/parent", interface)
    for (index, type) in gids.enumerated() {
      write("/sys/class/infiniband/\(name)/ports/1/gid_attrs/types/\(index)", type + "\n")
      write("/sys/class/infiniband/\(name)/ports/1/gid_attrs/ndevs/\(index)", interface + "\n")
    }
    write("/sys/class/infiniband_verbs/uverbs\(number)/ibdev", name + "\n")
    write("/dev/infiniband/uverbs\(number)", "")
    write("/dev/infiniband/rdma_cm", "")
    write("/sys/class/net/\(interface)/mtu", "\(mtu)\n")
  }
}

extension Host {
  /// A host without a device on which everything passes; files come from `root`.
  static func fake(_ root: FakeRoot) -> Host {
    let path = root.path
    var host = Host(
      limit: { _ in ResourceLimit(soft: ResourceLimit.unlimited, hard: ResourceLimit.unlimited) },
      openFailure: { access(path + $0, F_OK) == 0 ? 0 : ENOENT },
      userfault: { .features(1 << 15 | 1 << 20, userOnly: true) }, interfaceAddresses: { [] },
      devices: { () throws(VerbsError) in [] }, isFree: { _ in true }, sharedMemoryFailure: { _ in nil },
      rendezvous: { .success("/tmp") }, fileSystemByteCount: { _ in 1 << 30 })
    host.root = path
    host.kernelRelease = "6.1.0-18-amd64"
    host.processorCount = 4
    host.userID = 1000
    host.program = "/proc/self/exe"
    return host
  }

  mutating func setLimit(_ kind: ResourceLimit.Kind, soft: UInt64, hard: UInt64? = nil) {
    let before = limit
    limit = { $0 == kind ? ResourceLimit(soft: soft, hard: hard ?? soft) : before($0) }
  }

  mutating func setDevices(_ list: [RDMADevice]) { devices = { () throws(VerbsError) in list } }
}

extension GlobalIdentifier {
  static let linkLocal = GlobalIdentifier(prefix: 0xFE80_0000_0000_0000, interface: 1)
  static let ipv4 = GlobalIdentifier(prefix: 0, interface: 0xFFFF_C000_0201)
  static let ipv6 = GlobalIdentifier(prefix: 0x2001_0DB8_0000_0000, interface: 9)
}

extension RDMADevice {
  /// A RoCE device with one active port, as rxe is.
  static func roce(
    _ name: String, gids: [GlobalIdentifier] = [.linkLocal, .ipv4], atomics: AtomicCapability = .device,
    reads: Int = 128, state: PortState = .active, mtu: PathMTU = .bytes4096, layer: LinkLayer = .ethernet
  ) -> RDMADevice {
    var attributes = DeviceAttributes()
    attributes.atomics = atomics
    attributes.maximumReadsAsTarget = reads
    attributes.maximumReadsAsInitiator = reads
    attributes.portCount = 1
    var port = PortAttributes()
    port.state = state
    port.linkLayer = layer
    port.activeMTU = mtu
    port.maximumMTU = .bytes4096
    port.localID = 7
    let entries = gids.enumerated().map { GlobalIdentifierEntry(index: $0.offset, identifier: $0.element) }
    return RDMADevice(
      name: name,
      content: .opened(
        attributes, ports: [RDMAPort(number: 1, attributes: port, identifiers: entries)],
        hasOnDemandPaging: false))
  }
}

/// Runs all checks.
func report(_ host: Host, _ request: ExaminationRequest = ExaminationRequest()) -> Report {
  Examination(host, request).report()
}

extension Report {
  /// The lines of one check.
  subscript(_ check: String) -> [Finding] { findings.filter { $0.check == check } }

  func states(_ check: String) -> [State] { self[check].map(\.state) }
}
