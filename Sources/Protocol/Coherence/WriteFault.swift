import Fabric
import Platform

extension Engine {
  /// First write to a clean copy: claims the page if nobody has, else makes the twin.
  @inlinable
  func writeClean(
    _ held: inout HeldUnit, _ view: ViewID, _ w: Workspace<E.W>
  ) throws(EngineError) {
    ensureHeld(held)
    let unit = held.unit
    if held.word.home < 0 {
      switch try claim(unit, with: claimRun(around: unit), view, w) {
      case .home(let home) where home != node:
        step(.learnHomeOfCopy, &held, told: home)
      default:
        // Claimed, or claimed on this node's behalf by others, whose diffs may be here already.
        step(.becomeHome, &held)
        writeAtHome(&held)
        return
      }
    }
    // The diff's WRITEs may be taken from this node's frame, and zeros are mapped unregistered.
    if !isOn(.twinWithoutRegistration) { try ensureRegistered(configuration.chunk(of: unit.page)) }
    makeTwin(&held)
  }

  /// The unit's lock bit is held or it is being fetched by this thread: nobody writes the frame.
  @inlinable
  func copyTwin(_ unit: Unit) {
    let state = pages.load(unit.page).state
    ensure(state == .fetching || state == .clean, .twinOfCopy, unit.page)
    E.W.copy(pages.twin(unit.page), frame(unit.page), byteCount(unit))
    add(.twins)
  }

  /// Clean → dirty, lock bit held. On the dirty list before anybody can write the page.
  @inlinable
  func makeTwin(_ held: inout HeldUnit) {
    ensureHeld(held)
    copyTwin(held.unit)
    execution.interleave(#line)
    step(.becomeDirty, &held)
    pages.dirty.insert(held.unit.page)
  }

  /// A write at home, lock bit held, state `homeTracked`: exclusive if nobody else can hold a copy.
  @inlinable
  func writeAtHome(_ held: inout HeldUnit) {
    ensure(isInsideGate, .insideGate, held.unit.page)
    warmAtHome(held)
    if !held.word.isPinned && becomeExclusive(&held) { return }
    step(.becomeHomeDirty, &held)
    pages.dirty.insert(held.unit.page)
  }
}
