import Fabric
import Glibc
import HostFabric
import Platform
import Testing

@Suite("HostFabric: joining")
struct HostFabricJoinTests {
  @Test("Eight nodes of 1 TiB each map each other; nothing is touched but what is used")
  func largeCapacity() throws {
    let nodes = try HostNodes(count: 8, framesByteCount: 1 << 40, chunkByteCount: 2 << 20)
    let fabric = nodes.fabrics[0]
    var value: UInt64 = 0x1234
    let last = (1 << 40) - 8
    for peer in 0..<8 {
      fabric.writeNow(
        NodeID(peer), from: &value, 8, to: fabric.frame(last, at: NodeID(peer)), nodes.flight(0))
      #expect(AtomicWord(nodes.memories[peer].frames + last).load() == 0x1234)
    }
    #expect(nodes.flight(0).takeFailure() == nil)
    for member in nodes.members {
      var status = stat()
      #expect(fstat(member.frames, &status) == 0)
      #expect(status.st_blocks * 512 <= 2 << 20)
    }
  }

  @Test("Too many addresses are refused with the numbers, before anything is mapped")
  func addressSpace() throws {
    let members = (0..<1024).map { _ in
      HostMember(control: -1, controlByteCount: 1 << 20, frames: -1, framesByteCount: 1 << 40)
    }
    let error = try failure(members, framesByteCount: 1 << 40, controlByteCount: 1 << 20)
    #expect(error.contains("1024 nodes"))
    #expect(error.contains("96 TiB"))
    #expect(error.contains("MERINO_CAPACITY"))
  }

  @Test("Different settings, a short descriptor and a closed one are named")
  func badMembers() throws {
    let good = HostMember(
      control: memoryDescriptor(4096, name: "bad-members"), controlByteCount: 4096,
      frames: memoryDescriptor(1 << 20, name: "bad-members"), framesByteCount: 1 << 20)
    defer {
      close(good.control)
      close(good.frames)
    }
    func with(_ control: Int32, _ controlByteCount: Int, _ frames: Int32) -> [HostMember] {
      [
        good,
        HostMember(
          control: control, controlByteCount: controlByteCount, frames: frames, framesByteCount: 1 << 20),
      ]
    }
    let settings = try failure(with(good.control, 8192, good.frames))
    #expect(settings.contains("node 1 announced 8192 bytes"))
    let short = try failure(with(good.control, 4096, good.control))
    #expect(short.contains("1048576 bytes of frames") && short.contains("has 4096"))
    let closed = try failure(with(-1, 4096, good.frames))
    #expect(closed.contains("control memory of node 1") && closed.contains("fstat"))
    #expect(!mappedFiles().contains("bad-members"), "a failed join leaves nothing mapped")
  }

  @Test("A capacity that is no whole number of chunks, and a node beyond the job, are named")
  func badShape() throws {
    let member = HostMember(control: -1, controlByteCount: 4096, frames: -1, framesByteCount: 1 << 20)
    #expect(try failure([member], chunkByteCount: 3 << 19).contains("chunks of 1572864"))
    #expect(try failure([member], node: 1).contains("node 1 is none of the 1 nodes"))
  }

  /// What `init` says; the memory of the node itself is never looked at before the members' is.
  func failure(
    _ members: [HostMember], framesByteCount: Int = 1 << 20, controlByteCount: Int = 4096,
    chunkByteCount: Int = 1 << 20, node: NodeID = 0
  ) throws -> String {
    let own = try #require(UnsafeMutableRawPointer(bitPattern: 4096))
    let memory = NodeMemory(
      control: own, controlByteCount: controlByteCount, frames: own, framesByteCount: framesByteCount,
      chunkByteCount: chunkByteCount)
    let error = #expect(throws: HostFabricError.self) {
      try HostFabric(node: node, memory: memory, members: members)
    }
    return error?.description ?? ""
  }

  /// /proc/self/maps, the names of mapped memfds in it.
  func mappedFiles() -> String {
    let descriptor = open("/proc/self/maps", O_RDONLY)
    defer { close(descriptor) }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while case let count = read(descriptor, &buffer, buffer.count), count > 0 { text += buffer[..<count] }
    return String(decoding: text, as: UTF8.self)
  }
}
