import Fabric
import Platform

// Giving a unit's lock bit back. It is taken where the state is looked at: each step has states of its own for which it waits
// or goes on.

extension Engine {
  /// Stores `word`, into which this thread has changed what it took with the lock bit, and gives the bit back.
  @inlinable
  func releaseLockBit(_ unit: Unit, _ word: PageWord) {
    let cell = pages.cell(unit.page)
    // Loaded again: on the way the word may have been stored (`becomeExclusive`).
    cell.release(cell.load(), as: word)
  }

  /// `body` while the lock bit is held. Where it throws the bit is given back: after a loss threads still use what is here.
  @inlinable @inline(__always)
  func unlocking(_ unit: Unit, _ body: () throws(EngineError) -> Void) throws(EngineError) {
    do throws(EngineError) {
      try body()
    } catch {
      unlock(unit)
      throw error
    }
  }

  @inlinable
  func unlock(_ unit: Unit) { pages.cell(unit.page).unlock() }
}
