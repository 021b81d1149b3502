import Fabric
import Glibc
import Platform

extension HostFabric {
  static func map(_ member: HostMember, of peer: NodeID) throws(HostFabricError) -> HostPeer {
    try checkLength(member.control, member.controlByteCount, "control memory", peer)
    try checkLength(member.frames, member.framesByteCount, "frames", peer)
    let control = try map(member.control, member.controlByteCount, "the control memory of node \(peer)")
    do throws(HostFabricError) {
      let frames = try map(member.frames, member.framesByteCount, "the frames of node \(peer)")
      return HostPeer(control: control, frames: frames)
    } catch {
      munmap(control, member.controlByteCount)
      throw error
    }
  }

  /// A memfd shorter than announced would be a SIGBUS at some later access.
  static func checkLength(
    _ descriptor: Int32, _ byteCount: Int, _ what: String, _ peer: NodeID
  ) throws(HostFabricError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .system(SystemError(attempt: "look at the \(what) of node \(peer)", call: "fstat"))
    }
    guard Int(status.st_size) >= byteCount else {
      throw .invalid(
        "node \(peer) announced \(byteCount) bytes of \(what), but its descriptor has \(status.st_size).")
    }
  }

  /// Descriptor -1: private memory, zeroed.
  static func map(
    _ descriptor: Int32, _ byteCount: Int, _ what: String
  ) throws(HostFabricError) -> UnsafeMutableRawPointer {
    let flags = (descriptor < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_NORESERVE
    guard let at = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, descriptor, 0), at != MAP_FAILED
    else {
      throw .system(
        SystemError(
          attempt: "map \(what) (\(readable(byteCount)))", call: "mmap",
          advice: "lower the capacity (MERINO_CAPACITY) or the number of nodes, or raise the limit that "
            + "was reached: addresses (ulimit -v) or mappings (vm.max_map_count)"))
    }
    // A core file of one node with the memory of all the others would fill the disk. Only advice:
    // where the kernel refuses it nothing else is lost.
    if descriptor >= 0 { madvise(at, byteCount, MADV_DONTDUMP) }
    return at
  }

  static func unmap(
    _ table: UnsafeMutablePointer<HostPeer>, count: Int, _ node: NodeID, _ memory: NodeMemory
  ) {
    for peer in 0..<count where peer != node.number {
      munmap(table[peer].control, memory.controlByteCount)
      munmap(table[peer].frames, memory.framesByteCount)
    }
  }
}
