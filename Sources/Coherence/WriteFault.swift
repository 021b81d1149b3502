import CPlatform
import Fabric
import Platform

extension Engine {
  /// First write to a clean copy: claims the page if nobody has, else makes the twin.
  @inlinable
  func writeClean(
    _ unit: Unit, _ word: inout PageWord, _ view: ViewID, _ w: Workspace
  ) throws(EngineError) {
    if word.home < 0 {
      switch try locate(unit, claiming: true, w) {
      case .home(let home) where home != node:
        word.home = home
      default:
        // Claimed, or claimed on this node's behalf by others, whose diffs may be here already.
        becomeHome(unit, &word)
        writeAtHome(unit, &word)
        return
      }
    }
    // The diff's WRITEs may be taken from this node's frame, and zeros are mapped unregistered.
    if !isOn(.twinWithoutRegistration) { try ensureRegistered(unit.page >> configuration.chunkShift) }
    makeTwin(unit, &word)
  }

  /// The unit's lock bit is held or it is being fetched by this thread: nobody writes the frame.
  @inlinable
  func copyTwin(_ unit: Unit) {
    cplatform_copy(pages.twin(unit.page), frame(unit.page), byteCount(unit))
    add(.twins)
  }

  /// Clean → dirty, lock bit held. On the dirty list before anybody can write the page.
  @inlinable
  func makeTwin(_ unit: Unit, _ word: inout PageWord) {
    copyTwin(unit)
    execution.interleave(#line)
    word.state = .dirty
    word.wasWritten = true
    pages.dirty.insert(unit.page)
  }

  /// This node is home of the unit from now on, with no own notice for it yet.
  @inlinable
  func becomeHome(_ unit: Unit, _ word: inout PageWord) {
    word.state = .homeTracked
    word.home = node
    word.isNoticed = false
    word.wasWritten = false
    word.isPoisoned = false
  }

  /// A write at home, lock bit held, state `homeTracked`: exclusive if nobody else can hold a copy.
  @inlinable
  func writeAtHome(_ unit: Unit, _ word: inout PageWord) {
    if !word.isPinned && becomeExclusive(unit, &word) { return }
    word.state = .homeDirty
    pages.dirty.insert(unit.page)
  }
}
