import Platform

// The set of units that this node noticed between two barriers, as ranges, in registered memory. At the
// barrier all nodes read all sets, so all compute the same moves of homes; and the sets stand in for
// the logs, so a log that overflowed meanwhile does no harm there.
//
// Three buffers in turn: the one filled in epoch e is sealed when its node enters barrier e and filled
// again from the seal of barrier e + 2 on. Who reads it in barrier e has left that barrier before it
// enters barrier e + 1, which everybody has entered before anybody seals in e + 2.
//
// Word 0: entries; word 1: not zero if they did not fit; word 2, from the seal on: the log's head then,
// up to which the set stands in for the log; entries from byte 64 on.

extension Engine {
  @inlinable
  func epochBufferOffset(_ epoch: UInt64) -> Int {
    layout.epochBuffers + Int(epoch % 3) * layout.epochBufferByteCount
  }

  /// Under the commit lock.
  @inlinable
  func noteInEpoch(_ unit: Unit, atHome: Bool) {
    let epoch = local.epoch.loadRelaxed()
    let stamp = pages.epochStamp(unit.page)
    let current = isOn(.epochStampOf32Bits) ? (epoch + 1) & 0xFFFF_FFFF : epoch + 1
    if stamp.pointee == current { return }
    stamp.pointee = current
    let buffer = control + epochBufferOffset(epoch)
    let count = Int(buffer.load(as: UInt64.self))
    ensure(count <= configuration.epochEntryCount, .epochSetFits, count)
    let notice = WriteNotice(page: unit.page, count: unit.count, unitPages: unit.count, atHome: atHome)
    if count > 0 {
      let last = WriteNotice(raw: buffer.load(fromByteOffset: 64 + (count - 1) * 8, as: UInt64.self))
      if let longer = last.extended(by: unit, atHome: atHome) {
        buffer.storeBytes(of: longer.raw, toByteOffset: 64 + (count - 1) * 8, as: UInt64.self)
        return
      }
    }
    if count == configuration.epochEntryCount {
      buffer.storeBytes(of: 1, toByteOffset: 8, as: UInt64.self)
      return
    }
    buffer.storeBytes(of: notice.raw, toByteOffset: 64 + count * 8, as: UInt64.self)
    buffer.storeBytes(of: UInt64(count + 1), as: UInt64.self)
  }

  /// Ends the epoch: what is noted from here on belongs to the next. Under the commit lock, behind a
  /// commit round. True where the set did not fit.
  @inlinable
  func sealEpoch() -> Bool {
    ensure(isCommitLockHeld, .commitLockHeld)
    let epoch = local.epoch.loadRelaxed()
    let next = control + epochBufferOffset(epoch + 1)
    next.storeBytes(of: 0, as: UInt64.self)
    next.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
    let sealed = control + epochBufferOffset(epoch)
    sealed.storeBytes(of: logHead.load(), toByteOffset: 16, as: UInt64.self)
    let overflowed = sealed.load(fromByteOffset: 8, as: UInt64.self) != 0
    // Release: the sealed set is complete before any barrier message; the messages are WRITEs
    // posted after this.
    local.epoch.store(epoch + 1)
    return overflowed
  }
}
