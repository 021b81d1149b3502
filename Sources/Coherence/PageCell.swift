import Platform

/// Where a unit's `PageWord` lies. Many threads of the node change it at once, so there is no plain store: a store of
/// what was loaded before overwrites what somebody else did in between.
///
/// Every change is one atomic step of one of these kinds:
/// - `exchange`: a compare-and-swap that may fail; the caller looks again.
/// - `replace`: the same by whoever holds the lock bit. Nobody else changes a word whose lock bit is set (they all wait
///   for it), so this one cannot fail; that it does not is asserted.
/// - `unlock`, `clearPoison`, `addAtomics`: one bit, whatever the others are.
/// - `PageTable.forgetWords`: plain zeros, behind the closed gate, inside which everything else here happens.
@frozen
public struct PageCell: BitwiseCopyable, Sendable {
  @usableFromInline let word: AtomicWord

  @inlinable init(_ address: UnsafeMutableRawPointer) { word = AtomicWord(address) }

  /// Acquire: pairs with the change that it sees, each of which is at least a release.
  @inlinable
  public func load() -> PageWord { PageWord(word.load()) }

  /// `old` → `new`; false where the word is not `old` any more. A full barrier.
  @inlinable
  func exchange(_ old: PageWord, for new: PageWord) -> Bool { word.compareExchange(old.raw, new.raw) }

  /// `locked` → `new`, by the holder of the lock bit, who loaded `locked` under it. A full barrier; the release pairs
  /// with the acquire of whoever takes the lock bit next.
  @inlinable
  func replace(_ locked: PageWord, by new: PageWord) {
    precondition(locked.isLocked, "a page word is replaced without its lock bit")
    let isAsItWas = word.compareExchange(locked.raw, new.raw)
    precondition(isAsItWas, "a page word was changed by somebody who does not hold its lock bit")
  }

  /// `replace`, and the lock bit is given back.
  @inlinable
  func release(_ locked: PageWord, as word: PageWord) {
    var open = word
    open.isLocked = false
    replace(locked, by: open)
  }

  /// By the holder of the lock bit. Release: pairs with the acquire of whoever takes it next.
  @inlinable
  func unlock() { word.fetchAnd(~PageWord.lockBit) }

  /// By the unit's fetcher, in state `fetching`.
  @inlinable
  func clearPoison() { word.fetchAnd(~PageWord.poisonBit) }

  /// By the holder of the lock bit.
  @inlinable
  func addAtomics() { word.fetchOr(PageWord.atomicsBit) }
}
