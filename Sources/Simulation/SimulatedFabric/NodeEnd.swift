import Fabric
import Platform

/// Where remote memory lies, in the simulated owner's terms: the node, whether frames or control memory, and
/// the offset. No pointer of the process, so that a mix-up of local and remote addresses shows.
struct NetworkAddress: CustomStringConvertible {
  let raw: UInt64

  init(_ raw: UInt64) { self.raw = raw }
  init(node: NodeID, isFrame: Bool, offset: Int = 0) {
    raw = UInt64(node.number + 1) << 48 | (isFrame ? 1 << 40 : 0) | UInt64(offset)
  }

  var node: NodeID { NodeID(Int(raw >> 48) - 1) }
  var isFrame: Bool { raw & 1 << 40 != 0 }
  var offset: Int { Int(raw & ((1 << 40) - 1)) }

  var description: String { "\(isFrame ? "frame" : "control") \(offset) of node \(node)" }
}

/// A node's end of the network: its memory, keys and completion queue.
final class NodeEnd {
  let memory: NodeMemory
  let controlKey: UInt32
  /// Key of each chunk of frames, 0 while it is not registered.
  var chunkKeys: [UInt32]
  /// The connection whose atomic is between its two steps at this node, -1 for none.
  var atomicUnit = -1
  /// Flights of operations that have completed, a entry each, until somebody polls.
  var completions: [Flight] = []
  var firstCompletion = 0

  init(memory: NodeMemory, controlKey: UInt32) {
    self.memory = memory
    self.controlKey = controlKey
    chunkKeys = Array(repeating: 0, count: memory.framesByteCount / memory.chunkByteCount)
  }

  /// Whether a local buffer lies where the device may reach it.
  func holdsBuffer(_ at: UnsafeRawPointer, _ byteCount: Int) -> Bool {
    let controlOffset = at - UnsafeRawPointer(memory.control)
    if controlOffset >= 0, controlOffset + byteCount <= memory.controlByteCount { return true }
    let frameOffset = at - UnsafeRawPointer(memory.frames)
    guard frameOffset >= 0, byteCount > 0, frameOffset + byteCount <= memory.framesByteCount else {
      return false
    }
    let chunks = frameOffset / memory.chunkByteCount...(frameOffset + byteCount - 1) / memory.chunkByteCount
    return chunks.allSatisfy { chunkKeys[$0] != 0 }
  }

  /// The memory that an access from the network reaches, `nil` where its key does not admit to all of it.
  func admit(_ remote: RemoteAddress, _ byteCount: Int) -> UnsafeMutableRawPointer? {
    let at = NetworkAddress(remote.address)
    guard remote.key != 0, byteCount > 0 else { return nil }
    if !at.isFrame {
      let fits = at.offset + byteCount <= memory.controlByteCount
      return remote.key == controlKey && fits ? memory.control + at.offset : nil
    }
    guard at.offset + byteCount <= memory.framesByteCount else { return nil }
    let first = at.offset / memory.chunkByteCount
    // One key admits to one chunk.
    guard (at.offset + byteCount - 1) / memory.chunkByteCount == first, chunkKeys[first] == remote.key
    else { return nil }
    return memory.frames + at.offset
  }
}
