import CBootstrap
import Glibc

/// Where libpmix is: whose version fits the launcher is the launcher's own.
enum PMIxLibrary {
  static let variable = "MERINO_PMIX_LIBRARY"
  static let fileName = "libpmix.so.2"
  /// A shell or a debugger may stand between the launcher and this process.
  private static let generations = 4

  /// - Parameter named: `MERINO_PMIX_LIBRARY`, the only one that is looked at then.
  static func load(named: String?) throws(BootstrapError) -> OpaquePointer {
    var reasons: [String] = []
    func load(_ path: String, onlyIfLoaded: Bool = false) -> OpaquePointer? {
      var reason = [CChar](repeating: 0, count: 1024)
      if let pmix = cbootstrap_pmix_load(path, onlyIfLoaded ? 1 : 0, &reason, Int32(reason.count)) {
        return pmix
      }
      let text = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if !onlyIfLoaded, !reasons.contains(text) { reasons.append(text) }
      return nil
    }
    if let named {
      if let pmix = load(named) { return pmix }
    } else {
      // An MPI library of this process uses it already.
      if let pmix = load(fileName, onlyIfLoaded: true) { return pmix }
      for path in ofAncestors() { if let pmix = load(path) { return pmix } }
      if let pmix = load(fileName) { return pmix }
    }
    throw BootstrapError(
      .cannotReachLauncher,
      "PMIX_RANK is set: a PMIx launcher (mpirun, prterun, srun --mpi=pmix) started this process, but "
        + "libpmix, by which it is spoken to, could not be loaded: \(reasons.joined(separator: "; ")). "
        + "Install it (Debian's libpmix2), name it by \(variable), or set \(Launch.launcherName)=none for a "
        + "job of one node.")
  }

  /// The files that the processes above this one have loaded, as far as this user may know.
  private static func ofAncestors() -> [String] {
    var paths: [String] = []
    var process = getppid()
    for _ in 0..<generations where process > 1 {
      if let path = path(inMapsOf: process), !paths.contains(path) { paths.append(path) }
      process = cbootstrap_parent(process)
    }
    return paths
  }

  private static func path(inMapsOf process: pid_t) -> String? {
    guard let file = fopen("/proc/\(process)/maps", "re") else { return nil }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var room = 0
    defer { free(line) }
    while getline(&line, &room, file) > 0 {
      // getline gave it: zero-terminated.
      guard let line, strstr(line, "/" + fileName) != nil, let slash = strchr(line, Int32(UInt8(ascii: "/")))
      else {
        continue
      }
      let path = String(cString: slash).prefix { $0 != "\n" }
      if !path.hasSuffix(" (deleted)") { return String(path) }
    }
    return nil
  }
}
