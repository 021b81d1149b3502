import Fabric
import Platform

// Share marks: one byte a page and one a block of pages, in the home's control memory. A fetcher
// WRITEs the page's mark, then the block's, before its READ of the page, on the same connection. A
// mark means: fetched since the home's last own notice for this page.

extension Engine {
  @inlinable
  func mark(_ page: Page) -> SharedByte<E.W> { own(layout.marks)[page] }

  @inlinable
  func blockMark(_ block: Block) -> SharedByte<E.W> { own(layout.blockMarks)[block] }

  /// Adds to `batch` the marks that tell the home of `page` of this fetch.
  @inlinable
  func writeMarks(_ batch: inout E.F.Batch, _ page: Page, home: NodeID, _ w: Workspace<E.W>) {
    writeMarks(&batch, PageRange(page, count: 1), home: home, w)
  }

  /// The same for neighbouring units that begin in one block, all of which are being fetched. Only the marks
  /// of the units' first pages are ever looked at.
  @inlinable
  func writeMarks(_ batch: inout E.F.Batch, _ pages: PageRange, home: NodeID, _ w: Workspace<E.W>) {
    let end = Page.min(pages.upperBound, ControlLayout.blockEnd(pages.lowerBound))
    let count = isOn(.windowMarksFirstOnly) ? 1 : end - pages.lowerBound
    write(&batch, from: ones, to: layout.marks.writable(pages.lowerBound, count: count), of: home)
    let block = pages.lowerBound.block
    write(&batch, from: ones, to: layout.blockMarks.writable(block), of: home)
  }

  /// At home, holding the unit's lock bit: whether a write may go untracked; if so the state is
  /// exclusive already.
  ///
  /// Exclusive is stored before the mark is looked at again, with a full fence between; the fetcher's
  /// mark is placed before its READ. So either this sees the mark, or the fetcher's READ comes
  /// after this point and its mark is found at the next release.
  @inlinable
  func becomeExclusive(_ held: inout HeldUnit) -> Bool {
    let unit = held.unit
    if isAlone {
      step(.becomeExclusive, &held)
      return true
    }
    guard held.word.isNoticed || isOn(.exclusiveWithoutOwnNotice), mark(unit.page).load() == 0 else {
      return false
    }
    execution.interleave(#line)
    step(.becomeExclusive, &held)
    store(&held)
    fullFence()
    execution.interleave(#line)
    if !isOn(.markNotLookedAtAgain), mark(unit.page).load() != 0 { return false }
    rememberExclusive(block: unit.page.block)
    ensureSeen(unit.page)
    add(.exclusivePages)
    return true
  }

  @inlinable
  func ensureSeen(_ page: Page) {
    let group = page.block.number / ControlLayout.groupBlockCount
    let bits = local.exclusiveGroupWord(group >> 6).loadRelaxed()
    let isInPart = local.exclusiveParts.loadRelaxed() & local.exclusiveGroupParts.bit(group >> 6) != 0
    ensure(
      isInPart && bits >> UInt64(group & 63) & 1 != 0 || isOn(.exclusivePlaceForgotten), .exclusiveIsSeen,
      page)
  }

  /// Adds to the blocks that a release looks at. Before the page becomes writable.
  @inlinable
  func rememberExclusive(block: Block) {
    let group = block.number / ControlLayout.groupBlockCount
    let word = local.exclusiveGroupWord(group >> 6)
    let bit = UInt64(1) << UInt64(group & 63)
    guard word.load() & bit == 0, !isOn(.exclusivePlaceForgotten) else { return }
    // The part first: a thread that finds the group's bit set by another one goes on at once, and then a
    // release has to find both.
    local.exclusiveParts.fetchOr(local.exclusiveGroupParts.bit(group >> 6))
    word.fetchOr(bit)
  }
}
