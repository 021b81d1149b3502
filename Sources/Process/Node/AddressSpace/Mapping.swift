import CPlatform
import Glibc
import Platform

/// `mmap`, its failure as nil with the reason in errno.
func mapMemory(
  at address: UInt? = nil, byteCount: Int, protection: Int32, flags: Int32, descriptor: Int32 = -1,
  offset: Int = 0
) -> UnsafeMutableRawPointer? {
  if isAllocationRefused() {
    errno = ENOMEM
    return nil
  }
  let wanted = address.flatMap { UnsafeMutableRawPointer(bitPattern: $0) }
  let result = mmap(wanted, byteCount, protection, flags, descriptor, offset)
  // MAP_FAILED does not import: it is the address -1.
  guard UInt(bitPattern: result) != UInt.max else { return nil }
  // Writing a core would touch all of a sparse file, which is many times what is in it: tens of GiB.
  if flags & MAP_SHARED != 0 { madvise(result, byteCount, MADV_DONTDUMP) }
  return result
}

/// Zeroed private memory of which only what is touched exists.
func mapSparse(_ byteCount: Int, for purpose: String) throws(SystemError) -> UnsafeMutableRawPointer {
  let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
  guard let memory = mapMemory(byteCount: byteCount, protection: PROT_READ | PROT_WRITE, flags: flags)
  else {
    throw SystemError(attempt: "map \(byteCount) bytes for \(purpose)", call: "mmap", advice: mappingAdvice)
  }
  return memory
}

/// What helps where the system refuses a mapping.
let mappingAdvice = "check the limits of virtual memory (ulimit -v) and of mappings (vm.max_map_count)"

/// Bytes of the system's page.
let systemPageByteCount = Int(sysconf(Int32(_SC_PAGESIZE)))

/// The bytes of a file of /proc, which says its size only while it is read. Empty where there is none.
package func readProcFile(_ path: String) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return [] }
  defer { close(descriptor) }
  var content: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { return content }
    content += buffer[..<count]
  }
}

func hex(_ address: UInt) -> String { "0x" + String(address, radix: 16) }
