import Fabric
import Glibc
import HostFabric
import Platform

/// Nodes of one job in this process: each has memfds of its own and maps everybody's separately, so
/// that node 0's view of node 1's memory is another mapping than node 1's own.
final class HostNodes {
  static let controlByteCount = 64 << 10
  let chunkByteCount: Int
  let framesByteCount: Int
  let members: [HostMember]
  let memories: [NodeMemory]
  let fabrics: [HostFabric]

  init(count: Int, framesByteCount: Int = 4 << 20, chunkByteCount: Int = 1 << 20) throws {
    self.framesByteCount = framesByteCount
    self.chunkByteCount = chunkByteCount
    members = (0..<count).map { _ in
      HostMember(
        control: memoryDescriptor(Self.controlByteCount), controlByteCount: Self.controlByteCount,
        frames: memoryDescriptor(framesByteCount), framesByteCount: framesByteCount)
    }
    memories = members.map {
      NodeMemory(
        control: mapShared($0.control, $0.controlByteCount), controlByteCount: $0.controlByteCount,
        frames: mapShared($0.frames, $0.framesByteCount), framesByteCount: $0.framesByteCount,
        chunkByteCount: chunkByteCount)
    }
    fabrics = try (0..<count).map { [memories, members] in
      try HostFabric(node: NodeID($0), memory: memories[$0], members: members)
    }
  }

  deinit {
    for fabric in fabrics { fabric.close() }
    for memory in memories {
      munmap(memory.control, memory.controlByteCount)
      munmap(memory.frames, memory.framesByteCount)
    }
    for member in members {
      close(member.control)
      close(member.frames)
    }
  }

  /// A flight in the last bytes of a node's control memory.
  func flight(_ node: NodeID) -> Flight { Flight(memories[node.number].control + Self.controlByteCount - 64) }
}

/// The C library's function of this name; its headers hide it behind _GNU_SOURCE, and `fork` is hidden
/// by Swift.
func cFunction<F>(_ name: String, as type: F.Type) -> F {
  guard let symbol = dlsym(nil, name) else { preconditionFailure("no \(name) in the C library") }
  return unsafeBitCast(symbol, to: type)
}

func memoryDescriptor(_ byteCount: Int, name: String = "merino-test") -> Int32 {
  let closeOnExec: UInt32 = 1  // MFD_CLOEXEC
  typealias Create = @convention(c) (UnsafePointer<CChar>, UInt32) -> Int32
  let descriptor = cFunction("memfd_create", as: Create.self)(name, closeOnExec)
  precondition(descriptor >= 0 && ftruncate(descriptor, byteCount) == 0, "no memfd")
  return descriptor
}

func mapShared(_ descriptor: Int32, _ byteCount: Int) -> UnsafeMutableRawPointer {
  let at = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0)
  guard let at, at != MAP_FAILED else { preconditionFailure("mmap failed") }
  return at
}

extension HostFabric {
  /// One operation and its doorbell.
  func readNow(
    _ peer: NodeID, _ from: RemoteAddress, into: UnsafeMutableRawPointer, _ count: Int, _ f: Flight
  ) {
    var batch = open(peer, lane: 0)
    read(&batch, from: from, into: into, byteCount: count)
    submit(batch, f)
  }

  func writeNow(_ peer: NodeID, from: UnsafeRawPointer, _ count: Int, to: RemoteAddress, _ f: Flight) {
    var batch = open(peer, lane: 0)
    write(&batch, from: from, byteCount: count, to: to)
    submit(batch, f)
  }

  /// Where the frame of global address `address` is at `peer`, with its chunk's key.
  func frame(_ address: Int, at peer: NodeID) -> RemoteAddress {
    let key = registerChunkInPlace(Chunk(address / memory.chunkByteCount))
    return RemoteAddress(address: framesAddress(of: peer) + UInt64(address), key: key)
  }
}
