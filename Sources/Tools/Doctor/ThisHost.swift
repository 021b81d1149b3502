import Bootstrap
import CDoctor
import CPlatform
import Glibc
import Node
import Platform

extension Host {
  /// The host that this process runs on, as this user sees it.
  package static func this() -> Host {
    var host = Host(
      limit: limit, openFailure: openFailure, userfault: userfault, interfaceAddresses: interfaceAddresses,
      devices: RDMADevice.all, isFree: AddressReservation.isFree, sharedMemoryFailure: sharedMemoryFailure,
      rendezvous: rendezvous, fileSystemByteCount: fileSystemByteCount)
    host.environment = readEnvironment()
    host.userID = geteuid()
    host.kernelRelease = readKernelRelease()
    host.pageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))
    host.processorCount = usableProcessors()
    host.addressesAreFixed = cdoctor_addresses_fixed() != 0
    host.program = HostFiles.linkTarget("/proc/self/exe") ?? ""
    return host
  }

  @Sendable private static func limit(_ kind: ResourceLimit.Kind) -> ResourceLimit {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(kind.rawValue), &limit)
    return ResourceLimit(soft: UInt64(limit.rlim_cur), hard: UInt64(limit.rlim_max))
  }

  @Sendable private static func openFailure(_ path: String) -> Int32 {
    let descriptor = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return errno }
    close(descriptor)
    return 0
  }

  @Sendable private static func userfault() -> UserfaultAnswer {
    var features: UInt64 = 0
    var userOnly: Int32 = 0
    let code = cdoctor_userfault_features(&features, &userOnly)
    return code == 0 ? .features(features, userOnly: userOnly != 0) : .refused(errno: code)
  }

  @Sendable private static func sharedMemoryFailure(_ byteCount: Int) -> String? {
    do throws(SystemError) {
      let file = try SharedMemoryFile(named: "merino-doctor", byteCount: byteCount)
      let memory = try file.mapSystemView()
      defer { file.unmapSystemView(memory) }
      memory.storeBytes(of: 1, as: UInt64.self)
      try file.punchHole(0..<Int(sysconf(Int32(_SC_PAGESIZE))))
      // A hole reads as zeros; anything else would be a page that was not given back.
      return memory.load(as: UInt64.self) == 0 ? nil : "a page that was given back still has its content"
    } catch {
      return error.description
    }
  }

  @Sendable private static func rendezvous() -> Result<String, BootstrapError> {
    do throws(BootstrapError) {
      let directory = try RendezvousDirectory.create()
      directory.remove()
      return .success(
        String(directory.path[..<(directory.path.lastIndex(of: "/") ?? directory.path.endIndex)]))
    } catch {
      return .failure(error)
    }
  }

  @Sendable private static func fileSystemByteCount(_ path: String) -> UInt64? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    return UInt64(status.f_blocks) * UInt64(status.f_frsize)
  }

  private static func readEnvironment() -> [String: String] {
    var variables: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
      let parts = String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
      next += 1
    }
    return variables
  }

  private static func readKernelRelease() -> String {
    var name = utsname()
    guard uname(&name) == 0 else { return "" }
    return withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  private static func usableProcessors() -> Int {
    let count = Int(cdoctor_usable_processors())
    return count > 0 ? count : Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  }
}
