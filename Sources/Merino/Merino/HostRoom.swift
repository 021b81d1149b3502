import CPlatform
import Glibc
import Node

/// What this process may reserve of its host, and how much memory that has; all ones where there is no limit.
package struct HostRoom: Sendable, Equatable {
  /// Bytes of the host's memory.
  package var memoryByteCount: UInt64
  /// Addresses that this process may still take (RLIMIT_AS).
  package var addressByteCount: UInt64
  /// Bytes of the longest file that it may make (RLIMIT_FSIZE).
  package var fileByteCount: UInt64
  /// Private memory that the kernel may still promise, where it counts what is promised and not what is
  /// touched (vm.overcommit_memory=2).
  package var promiseByteCount: UInt64

  package init(
    memoryByteCount: UInt64, addressByteCount: UInt64 = ~0, fileByteCount: UInt64 = ~0,
    promiseByteCount: UInt64 = ~0
  ) {
    self.memoryByteCount = memoryByteCount
    self.addressByteCount = addressByteCount
    self.fileByteCount = fileByteCount
    self.promiseByteCount = promiseByteCount
  }

  /// The least that any of these nodes has.
  init(leastOf rooms: [HostRoom]) {
    memoryByteCount = rooms.map(\.memoryByteCount).min() ?? 0
    addressByteCount = rooms.map(\.addressByteCount).min() ?? ~0
    fileByteCount = rooms.map(\.fileByteCount).min() ?? ~0
    promiseByteCount = rooms.map(\.promiseByteCount).min() ?? ~0
  }

  /// Whether what is reserved and never touched costs nothing.
  var isOpen: Bool { min(addressByteCount, fileByteCount, promiseByteCount) == ~0 }

  /// That of this process, now.
  static func now() -> HostRoom {
    let page = UInt64(sysconf(Int32(_SC_PAGESIZE)))
    var room = HostRoom(memoryByteCount: UInt64(max(sysconf(Int32(_SC_PHYS_PAGES)), 0)) * page)
    room.fileByteCount = cplatform_file_byte_count_limit()
    let addresses = cplatform_address_byte_count_limit()
    if addresses != ~0 {
      let taken = words("/proc/self/statm").first.flatMap { UInt64($0) } ?? 0
      room.addressByteCount = addresses - min(taken * page, addresses)
    }
    if words("/proc/sys/vm/overcommit_memory").first == "2" {
      let limit = kibibytes("CommitLimit:"), promised = kibibytes("Committed_AS:")
      room.promiseByteCount = (limit - min(promised, limit)) << 10
    }
    return room
  }

  private static func words(_ path: String) -> [Substring] {
    String(decoding: readProcFile(path), as: UTF8.self).split(whereSeparator: \.isWhitespace)
  }

  private static func kibibytes(_ name: String) -> UInt64 {
    let words = words("/proc/meminfo")
    guard let index = words.firstIndex(of: name[...]), index + 1 < words.count else { return 0 }
    return UInt64(words[index + 1]) ?? 0
  }
}
