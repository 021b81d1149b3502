import Bootstrap
import Verbs

/// A limit of a process: what is in force, and up to where the process may raise it. All ones is none.
package struct ResourceLimit: Sendable {
  package enum Kind: UInt32, Sendable {
    // Macros that do not import; the values are those of every Linux but MIPS, SPARC and Alpha.
    case fileSize = 1
    case processes = 6
    case openFiles = 7
    case lockedMemory = 8
    case addressSpace = 9
  }

  package static let unlimited = UInt64.max
  package var soft: UInt64
  package var hard: UInt64

  package init(soft: UInt64, hard: UInt64) {
    self.soft = soft
    self.hard = hard
  }
}

/// An address of a network interface.
package struct InterfaceAddress: Sendable, Hashable {
  package var interface: String
  package var text: String
  package var isIPv4: Bool
  package var isLinkLocal: Bool

  package init(interface: String, text: String, isIPv4: Bool, isLinkLocal: Bool) {
    self.interface = interface
    self.text = text
    self.isIPv4 = isIPv4
    self.isLinkLocal = isLinkLocal
  }
}

/// What the kernel says about userfaultfd.
package enum UserfaultAnswer: Sendable {
  /// The bits of UFFD_FEATURE_*.
  case features(UInt64, userOnly: Bool)
  case refused(errno: Int32)
}

/// Everything that the checks look at. They take files below `root`, and system calls from here, so that a
/// test can show them a host that is wrong.
package struct Host: Sendable {
  /// In front of /proc, /sys and /dev.
  package var root = ""
  package var environment: [String: String] = [:]
  package var userID: UInt32 = 0
  /// "6.1.0-18-amd64".
  package var kernelRelease = ""
  package var pageByteCount = 4096
  /// Processors that this process may use.
  package var processorCount = 1
  /// Whether this process has its addresses unrandomised.
  package var addressesAreFixed = false
  /// Path of this program.
  package var program = ""

  package var limit: @Sendable (ResourceLimit.Kind) -> ResourceLimit
  /// Opens a device file (a path without the root) for reading and writing, and closes it: 0, or the errno.
  package var openFailure: @Sendable (String) -> Int32
  package var userfault: @Sendable () -> UserfaultAnswer
  package var interfaceAddresses: @Sendable () -> [InterfaceAddress]
  package var devices: @Sendable () throws(VerbsError) -> [RDMADevice]
  package var isFree: @Sendable (Range<UInt>) -> Bool
  /// Makes, maps and writes shared memory of so many bytes, and gives it back: nil, or what failed.
  package var sharedMemoryFailure: @Sendable (Int) -> String?
  /// Makes the directory of a job's socket and removes it: its parent, or what failed.
  package var rendezvous: @Sendable () -> Result<String, BootstrapError>
  /// Bytes of the file system at a path without the root; nil where there is none.
  package var fileSystemByteCount: @Sendable (String) -> UInt64?
}

extension Host {
  /// The text of a file, without the line's end; nil where it cannot be read.
  func text(_ path: String) -> String? {
    guard let bytes = HostFiles.read(root + path) else { return nil }
    var text = Substring(decoding: bytes, as: UTF8.self)
    while let last = text.last, last == "\n" || last == " " { text.removeLast() }
    return String(text)
  }

  func number(_ path: String) -> Int? { text(path).flatMap { Int($0) } }

  func exists(_ path: String) -> Bool { HostFiles.exists(root + path) }

  /// Names in a directory, in alphabetical order; empty where there is none.
  func entries(_ path: String) -> [String] { HostFiles.entries(root + path).sorted() }

  /// A field of /proc/meminfo in bytes.
  func memoryInfo(_ field: String) -> UInt64? {
    for line in (text("/proc/meminfo") ?? "").split(separator: "\n") where line.hasPrefix(field + ":") {
      let kibibytes = line.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
      return kibibytes.map { $0 << 10 }
    }
    return nil
  }

  /// A variable that is set and not empty.
  func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
}
