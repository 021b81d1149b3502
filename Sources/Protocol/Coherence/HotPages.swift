import Fabric
import Platform

// Hot pages: those that this node writes again behind each of its releases. Protecting one costs a call of
// the system and a fault each time; a look at its 4 KiB costs a tenth of that. So they stay writable: a
// release finds what was written by comparing with the twin, as for pinned pages (`Pin`), and a notice brings
// the bytes of others in under this node's.
//
// How warm a page is, is a byte for each, changed under the commit lock, and at home under the lock bit:
// 0 to 127: releases in a row that found it written; from 128 on: hot, and how many releases may still find
// it unchanged. A hint: a wrong one costs time.

extension Engine {
  /// Releases in a row that found a page written before it is hot.
  @inlinable static var hotAfter: UInt8 { 2 }
  @inlinable static var hot: UInt8 { 128 }
  /// Releases in a row that may find a hot page unchanged, less one: what is written under one lock is not
  /// written under the next.
  @inlinable static var hotPatience: UInt8 { 3 }

  /// Units longer than four pages take longer to look at than to protect.
  @inlinable
  func mayBeHot(_ unit: Unit) -> Bool { knowsHeat && unit.count <= 4 }

  @inlinable
  var knowsHeat: Bool { configuration.hotPageCount > 0 && configuration.mechanisms.contains(.hotPages) }

  /// Whether a dirty copy is refreshed under a notice rather than dropped; commit lock held. Not while this
  /// node's barrier does not know yet what it will forget: a freed page that was hot must not be READ, whose
  /// home may have given its frame back. (Pinned pages are not freed. A hot page that was freed has no diff.)
  @inlinable
  func isHot(_ word: PageWord, _ unit: Unit) -> Bool {
    word.state == .dirty && !word.isPinned && pages.heat(unit.page).load() >= Self.hot
      && local.refreshesHeld.load() == 0
  }

  /// A dirty copy at a release, lock bit held: placed without being protected, if it is hot, or was written
  /// for as many releases as makes it so. False where it is to be protected; nothing is placed then.
  @inlinable
  func flushHot(
    _ unit: Unit, _ log: inout LogWriter, _ sender: inout DiffSender<E.F>, _ w: Workspace<E.W>
  ) throws(EngineError) -> Bool {
    guard mayBeHot(unit), sender.hotCount < configuration.hotPageCount else { return false }
    ensureRound(unit.page)
    let heat = pages.heat(unit.page)
    let before = heat.load()
    var held = heldAlready(unit)
    guard before >= Self.hotAfter, held.word.state == .dirty else { return false }
    if !isOn(.pinnedListedLate) { pages.dirty.insert(unit.page) }
    var changed = held.word.hasAtomics
    for index in 0..<unit.count {
      if try flushSnapshot(Unit(page: unit.page + index, count: 1), unit, held.word.home, &sender, w) {
        changed = true
      }
    }
    if changed {
      heat.store(Self.hot + Self.hotPatience)
    } else if before > Self.hot {
      heat.store(before - 1)
    } else {
      // Cold: protected before the last look at it, which is the ordinary flush's.
      heat.store(0)
      if isOn(.hotCoolsWritable) { return try coolWritable(&held, w) }
      return false
    }
    step(.noteAtomics, &held)
    store(&held)
    if changed { note(unit, atHome: false, &log) }
    if isOn(.pinnedListedLate) { pages.dirty.insert(unit.page) }
    sender.hotCount += 1
    add(.hotPages)
    giveBack(held)
    return true
  }

  /// The mutation: what is written between the last look and the protection is lost.
  @inlinable
  func coolWritable(_ held: inout HeldUnit, _ w: Workspace<E.W>) throws(EngineError) -> Bool {
    protection.lower(held.unit.pages, to: .read)
    step(.dropTwin, &held)
    giveBack(held)
    return true
  }

  /// What an ordinary flush says of a copy.
  @inlinable
  func warm(_ unit: Unit, changed: Bool) {
    if !knowsHeat { return }
    let heat = pages.heat(unit.page)
    let before = heat.load()
    let now = !changed ? 0 : min(before &+ 1, Self.hotAfter)
    if now != before { heat.store(now) }
  }

  @inlinable
  func isAsTwin(_ unit: Unit) -> Bool {
    for page in unit.pages {
      var runs = DiffRuns(
        frame: frame(page), twin: UnsafeRawPointer(pages.twin(page)), byteCount: configuration.pageByteCount)
      if case .some = runs.run() { return false }
    }
    return true
  }

  // MARK: At home

  /// A write at home found the page protected, since somebody had fetched it.
  @inlinable
  func warmAtHome(_ held: HeldUnit) {
    if !knowsHeat || !held.word.isNoticed { return }
    let heat = pages.heat(held.unit.page)
    let before = heat.load()
    if before < Self.hotAfter { heat.store(before + 1) }
  }

  /// A page at home that somebody has fetched, at a release, lock bit held: whether it stays writable because
  /// this node writes it between any two releases. The twin is how it was at the last one, or nothing yet.
  ///
  /// It says only whether the page stays hot. Changed or not, the page is noticed: changed and changed back
  /// was seen by whoever fetched it in between.
  @inlinable
  func staysHotAtHome(_ unit: Unit) -> Bool {
    guard mayBeHot(unit) else { return false }
    let heat = pages.heat(unit.page)
    let before = heat.load()
    if before < Self.hotAfter { return false }
    if before >= Self.hot, isAsTwin(unit) {
      heat.store(0)
      return isOn(.hotHomeUnnoticed)
    }
    heat.store(Self.hot)
    E.W.copy(pages.twin(unit.page), frame(unit.page), byteCount(unit))
    return true
  }
}
