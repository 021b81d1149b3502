import Fabric
import Glibc
import Platform

extension HostFabric {
  /// Bytes of the other nodes' memory that one process maps at most: 96 TiB of the 128 TiB of
  /// user addresses (x86_64; aarch64 with 48 bits has more). The rest is left to the views, this
  /// node's own mappings, the program and its libraries. 64 nodes may have 1 TiB each, 1,024 nodes 96 GiB.
  public static var peerByteCountMax: Int { 96 << 40 }

  /// Maps the memory of every other node, whole and now, so that nothing is mapped in a signal
  /// handler. Only addresses are taken; memory comes where it is touched.
  ///
  /// - Parameters:
  ///   - node: this node's number, an index of `members`.
  ///   - memory: this node's own control memory and frames, as it maps them itself.
  ///   - members: what each node announced; the own entry is not mapped again.
  /// - Throws: `HostFabricError`, with nothing left mapped. The descriptors are never closed here, and
  ///   not needed after a success.
  public init(
    node: NodeID, memory: NodeMemory, members: [HostMember]
  ) throws(HostFabricError) {
    try Self.check(node, memory, members)
    let tableByteCount = members.count * MemoryLayout<HostPeer>.stride
    let table = try Self.map(-1, tableByteCount, "the table of \(members.count) nodes")
      .bindMemory(to: HostPeer.self, capacity: members.count)
    var mapped = 0
    do throws(HostFabricError) {
      for (peer, member) in members.enumerated() {
        let own = HostPeer(control: memory.control, frames: memory.frames)
        (table + peer).initialize(to: try peer == node.number ? own : Self.map(member, of: NodeID(peer)))
        mapped += 1
      }
    } catch {
      Self.unmap(table, count: mapped, node, memory)
      munmap(table, tableByteCount)
      throw error
    }
    self.init(node: node, nodeCount: members.count, memory: memory, peers: table)
  }

  /// Unmaps the other nodes' memory. No thread uses the fabric or a copy of it now or later. The
  /// node's own memory stays mapped.
  public func close() {
    Self.unmap(peers, count: nodeCount, node, memory)
    munmap(peers, nodeCount * MemoryLayout<HostPeer>.stride)
  }

  static func check(
    _ node: NodeID, _ memory: NodeMemory, _ members: [HostMember]
  ) throws(HostFabricError) {
    guard members.indices.contains(node.number) else {
      throw .invalid("node \(node) is none of the \(members.count) nodes of the job.")
    }
    let chunk = memory.chunkByteCount
    guard chunk > 0, chunk & (chunk - 1) == 0, memory.framesByteCount % chunk == 0,
      memory.framesByteCount / chunk <= HostKey.chunkCountMax
    else {
      throw .invalid(
        "\(memory.framesByteCount) bytes of frames cannot be divided into chunks of \(chunk) bytes: the "
          + "chunk has to be a power of two and the capacity (MERINO_CAPACITY) a multiple of it.")
    }
    for (peer, member) in members.enumerated()
    where member.controlByteCount != memory.controlByteCount
      || member.framesByteCount != memory.framesByteCount
    {
      throw .invalid(
        "node \(peer) announced \(member.controlByteCount) bytes of control memory and "
          + "\(member.framesByteCount) of frames, node \(node) has \(memory.controlByteCount) and "
          + "\(memory.framesByteCount): give all nodes of the job the same settings.")
    }
    let (perNode, isTooLong) = memory.controlByteCount.addingReportingOverflow(memory.framesByteCount)
    let (total, areTooMany) = perNode.multipliedReportingOverflow(by: members.count - 1)
    if isTooLong || areTooMany || total > peerByteCountMax {
      throw .addressSpace(nodeCount: members.count, byteCountPerNode: isTooLong ? .max : perNode)
    }
  }
}
