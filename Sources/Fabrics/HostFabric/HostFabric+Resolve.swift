import Fabric

// From what the owner announced to an address of this process, with every bound checked: memory
// that a wrong key, address or length names is never touched.

extension HostFabric {
  /// Where `remote` is mapped here; nil, with the refusal noted in the batch, if its key does not
  /// admit to all `byteCount` bytes of it, or if the batch has failed already.
  @inlinable @inline(__always)
  func resolve(
    _ batch: inout HostBatch, _ remote: RemoteAddress, _ byteCount: Int
  ) -> UnsafeMutableRawPointer? {
    guard batch.status == 0 else { return nil }
    let isControl = remote.key == HostKey.control
    // Key 0 becomes the chunk after the highest that any node can have (`chunkCountMax`).
    let chunk = UInt64(remote.key &- HostKey.firstChunk)
    let start = isControl ? 0 : chunk &<< chunkShift
    let extent = UInt64(isControl ? memory.controlByteCount : memory.chunkByteCount)
    let offset = remote.address &- start
    guard isControl || chunk < chunkCount, byteCount >= 0, offset <= extent,
      UInt64(byteCount) <= extent &- offset
    else {
      batch.refuse(byteCount < 0 ? HostStatus.invalidRequest : HostStatus.remoteAccess)
      return nil
    }
    // In the bounds of a mapping that lasts until `close`.
    return (isControl ? batch.target.control : batch.target.frames) + Int(remote.address)
  }

  /// The 8-byte aligned word of an atomic whose old value goes to `old`.
  @inlinable @inline(__always)
  func resolveWord(
    _ batch: inout HostBatch, _ remote: RemoteAddress, _ old: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer? {
    guard let target = resolve(&batch, remote, 8), isLocal(&batch, old, 8) else { return nil }
    guard (UInt(truncatingIfNeeded: remote.address) | UInt(bitPattern: old)) & 7 == 0 else {
      batch.refuse(HostStatus.invalidRequest)
      return nil
    }
    return target
  }

  /// Whether a NIC could place results there: in this node's control memory or frames. Without
  /// the check a wrong buffer would be found only on the first machine that has one.
  @inlinable @inline(__always)
  func isLocal(
    _ batch: inout HostBatch, _ buffer: UnsafeMutableRawPointer, _ byteCount: Int
  ) -> Bool {
    if contains(memory.frames, memory.framesByteCount, buffer, byteCount) { return true }
    if contains(memory.control, memory.controlByteCount, buffer, byteCount) { return true }
    batch.refuse(HostStatus.localProtection)
    return false
  }

  @inlinable @inline(__always)
  func contains(
    _ base: UnsafeMutableRawPointer, _ extent: Int, _ buffer: UnsafeMutableRawPointer, _ byteCount: Int
  ) -> Bool {
    let offset = UInt(bitPattern: buffer) &- UInt(bitPattern: base)
    return offset <= UInt(extent) && UInt(byteCount) <= UInt(extent) &- offset
  }
}
