import Platform

// The set of units that this node noticed between two barriers, as ranges, in registered memory. At the
// barrier all nodes read all sets, so all compute the same moves of homes; and the sets stand in for
// the logs, so a log that overflowed meanwhile does no harm there.
//
// Three buffers in turn: the one filled in epoch e is sealed when its node enters barrier e and filled
// again from the seal of barrier e + 2 on. Who reads it in barrier e has left that barrier before it
// enters barrier e + 1, which everybody has entered before anybody seals in e + 2.
// `EpochRecord` says what is in a buffer.

extension Engine {
  /// Under the commit lock.
  @inlinable
  func noteInEpoch(_ unit: Unit, atHome: Bool) {
    let epoch = local.epoch.loadRelaxed()
    let stamp = pages.epochStamp(unit.page)
    let current = isOn(.epochStampOf32Bits) ? (epoch + 1) & 0xFFFF_FFFF : epoch + 1
    // Relaxed, as the buffer: under the commit lock.
    if stamp.loadRelaxed() == current { return }
    stamp.storeRelaxed(current)
    let buffer = layout.epochRecord(epoch)
    let count = Int(own(buffer.count).loadRelaxed())
    ensure(count <= configuration.epochEntryCount, .epochSetFits, count)
    let notice = WriteNotice(page: unit.page, count: unit.count, unitPages: unit.count, atHome: atHome)
    if count > 0 {
      let last = own(buffer.entry(count - 1))
      if let longer = WriteNotice(raw: last.loadRelaxed()).extended(by: unit, atHome: atHome) {
        last.storeRelaxed(longer.raw)
        return
      }
    }
    if count == configuration.epochEntryCount {
      own(buffer.overflow).storeRelaxed(1)
      return
    }
    own(buffer.entry(count)).storeRelaxed(notice.raw)
    own(buffer.count).storeRelaxed(UInt64(count + 1))
  }

  /// Ends the epoch: what is noted from here on belongs to the next. Under the commit lock, behind a
  /// commit round. True where the set did not fit.
  @inlinable
  func sealEpoch() -> Bool {
    ensure(isCommitLockHeld, .commitLockHeld)
    let epoch = local.epoch.loadRelaxed()
    let next = layout.epochRecord(epoch + 1)
    own(next.count).storeRelaxed(0)
    own(next.overflow).storeRelaxed(0)
    let ending = layout.epochRecord(epoch)
    own(ending.sealed).storeRelaxed(logHead.load())
    let overflowed = own(ending.overflow).loadRelaxed() != 0
    // Release: the sealed set is complete before any barrier message; the messages are WRITEs
    // posted after this.
    local.epoch.store(epoch + 1)
    return overflowed
  }
}
