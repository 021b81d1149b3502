import Coherence
import HostFabric

// The sizes of a job where nobody asks for others.
//
// On the fabric "host" a node reserves addresses and files with holes, and memory comes where it is touched:
// there is as much of everything as numbers and addresses allow, and more capacity where the host has more
// memory. Where what is reserved does cost something, the tables have the sizes of `Configuration`, and the
// capacity is what there is room for:
//
// - over RDMA control memory is registered, and so pinned, for as long as the job runs: peers reach all of it
//   without this node's doing anything, so it cannot follow by chunk as shared memory does;
// - a limit of addresses or of files, and a kernel that counts what is promised, count what is reserved.

/// What decided a capacity that nobody asked for, other than the host's memory.
package enum CapacityBound: Sendable, Equatable {
  /// The limit of locked memory: so many bytes.
  case lockedMemory(UInt64)
  /// The addresses that a process may have: so many bytes.
  case addresses(UInt64)
  /// The addresses that a process has, with as many nodes on one host.
  case nodes(Int)
  /// The limit of the size of files.
  case fileSize(UInt64)
  /// What the kernel may still promise.
  case promises(UInt64)

  /// Of a sentence: "the most for which ...".
  package var clause: String {
    switch self {
    case .lockedMemory(let count):
      "control memory fits the limit of locked memory of \(count) bytes (ulimit -l)"
    case .addresses(let count): "half of the \(count) addresses left to a process (ulimit -v) do"
    case .nodes(let count): "a process can map the memory of \(count) nodes on one host"
    case .fileSize(let count): "files of \(count) bytes (ulimit -f) do"
    case .promises(let count):
      "half of the \(count) bytes that the kernel may still promise (vm.overcommit_memory=2) do"
    }
  }
}

extension Agreement {
  /// Over RDMA, where each page has a byte and a share of a word of registered memory on each node.
  static let registeredDefaultCapacity = 64 << 30
  /// Programs ask for much more than they use, whatever the machine.
  static let leastReservedCapacity = 64 << 30
  /// What fits between two of the ranges that views may lie in (`AddressReservation.candidates`).
  static let mostReservedCapacity = 16 << 40
  /// Where a limit leaves little room.
  static let smallestDefaultCapacity = 64 << 20
  /// Beside control memory: two chunks.
  static let leastRegisteredByteCount = 2 * chunkByteCount
  /// The addresses that a process of an x86-64 or AArch64 system has: 47 bits, some of them taken.
  static let processAddressByteCount = 126 << 40

  /// For a host with so much memory: the heap, which is half of the capacity, and the segments in the other
  /// half have room for all of it each.
  static func reservedCapacity(memoryByteCount: UInt64) -> Int {
    var capacity = leastReservedCapacity
    while capacity < mostReservedCapacity, UInt64(capacity / 2) < memoryByteCount { capacity *= 2 }
    return capacity
  }

  /// Tables as large as their entries' numbers allow.
  static func reserveTables(_ c: inout Configuration) {
    c.lockCount = Announcement.lockRange.upperBound
    c.lockSlotCount = Announcement.lockSlotRange.upperBound
    c.shapeCount = Announcement.segmentRange.upperBound
  }

  /// Addresses that a node takes; `nil` where no process has so many. Its own frames are mapped once for the
  /// library, and reserved once for the program's views.
  static func addressByteCount(_ c: Configuration, isRegistered: Bool) -> Int? {
    let perNode = layout(c).byteCount + c.capacityByteCount
    let inPeers = isRegistered ? 0 : perNode * (c.nodeCount - 1)
    let all = inPeers + perNode + c.capacityByteCount + NodeFiles.localByteCount(c)
    return inPeers <= HostFabric.peerByteCountMax && all <= processAddressByteCount ? all : nil
  }

  /// What is in the way of these sizes, if anything.
  ///
  /// - Parameters:
  ///   - room: the least that a node has.
  ///   - lockable: the least of the nodes' limits of locked memory.
  ///   - nodesPerHost: the most nodes on one host.
  static func bound(
    _ c: Configuration, _ room: HostRoom, _ lockable: UInt64, nodesPerHost: Int, isRegistered: Bool
  ) -> CapacityBound? {
    let control = layout(c).byteCount
    if isRegistered, UInt64(control + leastRegisteredByteCount) > lockable { return .lockedMemory(lockable) }
    if UInt64(max(c.capacityByteCount, control)) > room.fileByteCount { return .fileSize(room.fileByteCount) }
    guard let addresses = addressByteCount(c, isRegistered: isRegistered) else {
      return .nodes(c.nodeCount)
    }
    // The other half is the program's.
    if room.addressByteCount != ~0, UInt64(addresses) > room.addressByteCount / 2 {
      return .addresses(room.addressByteCount)
    }
    let promised = UInt64(NodeFiles.localByteCount(c) * nodesPerHost)
    if room.promiseByteCount != ~0, promised > room.promiseByteCount / 2 {
      return .promises(room.promiseByteCount)
    }
    return nil
  }
}
