import Fabric
import Platform

/// An atomic operation on an aligned 8-byte word of shared memory. 32-bit words go through
/// `update` with a mask.
@frozen
public enum AtomicOperation: BitwiseCopyable, Sendable {
  case load
  case exchange(UInt64)
  case compareExchange(expected: UInt64, desired: UInt64)
  case fetchAdd(UInt64)

  @inlinable
  var isLoad: Bool { if case .load = self { true } else { false } }
}

// Atomics act on the home frame through the fabric. Before: this node's own copy goes (its diff placed
// first), and a page without a home gets one. After: the page is noticed at the next release. They carry
// no clock.

extension Engine {
  /// Performs `operation` on the bits of `mask` (contiguous) in the aligned word at global byte
  /// `address`; operands and the result are shifted to the mask's low end. Returns the value before.
  ///
  /// Between synchronisations only atomics may change the enclosing 8 bytes.
  @inlinable
  public func atomic(
    _ operation: AtomicOperation, at address: Int, mask: UInt64 = ~0
  ) throws(EngineError) -> UInt64 {
    try checkPeers()
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    try enterGate()
    defer { leaveGate() }
    let w = takeWorkspace()
    defer { giveBack(w) }
    add(.atomics)
    ensure(
      address & 7 == 0 && mask != 0 && address >= 0 && address < configuration.capacityByteCount,
      .atomicWithinWord,
      address)
    let unit = pages.unit(containing: configuration.page(atByte: address))
    touch(unit.page)
    var held = try prepareAtomic(unit, w)
    var (before, after): (UInt64, UInt64) = (0, 0)
    try unlocking(unit) { () throws(EngineError) in
      let frame = try homeFrame(unit.page, home: held.word.home, w)
      let target = frame.advanced(by: address - (configuration.byteOffset(of: unit.page)))
      (before, after) = try perform(operation, at: target, held.word.home, lane: lane(unit.page), mask, w)
    }
    keepInPinnedCopy(held, address, after)
    if !operation.isLoad {
      step(.addAtomics, &held)
      store(&held)
      pages.dirty.insert(unit.page)
    }
    giveBack(held)
    return (before & mask) >> UInt64(mask.trailingZeroBitCount)
  }

  /// A pinned copy stays, and no notice tells this node of its own atomics: they are carried out on the
  /// copy too. The lock bit is held, so the copy takes values in the order in which the home had them.
  @inlinable
  func keepInPinnedCopy(_ held: HeldUnit, _ address: Int, _ value: UInt64) {
    let unit = held.unit
    guard held.word.isPinned, PageStates.copies.contains(held.word.state) else { return }
    if isOn(.atomicsPassByPinnedCopy) { return }
    let offset = address - (configuration.byteOffset(of: unit.page))
    SharedWord<E.W>(frame(unit.page) + offset).storeRelaxed(value)
    // Equal to the frame: other nodes change this word too, so it must not be in a diff.
    SharedWord<E.W>(pages.twin(unit.page) + offset).storeRelaxed(value)
  }

  /// Takes the unit's lock bit with no copy left here that could hide the word. Its home is known then.
  @inlinable
  func prepareAtomic(_ unit: Unit, _ w: Workspace<E.W>) throws(EngineError) -> HeldUnit {
    while true {
      switch try takeLockBit(unit, passing: PageStates(.dirty), unless: PageWord.pinned) {
      case .held(var held):
        try unlocking(unit) { () throws(EngineError) in try dropCopy(&held, w) }
        store(&held)
        return held
      case .passed: try flushForAtomic(unit, w)
      case .busy: break
      }
    }
  }

  /// A dirty copy is placed and dropped as under a notice: that takes the commit lock, which comes
  /// before lock bits.
  @inlinable
  func flushForAtomic(_ unit: Unit, _ w: Workspace<E.W>) throws(EngineError) {
    try takeCommitLock()
    defer { dropCommitLock() }
    var log = LogWriter(logHead.load())
    // Not refreshed: it would still be there.
    pages.heat(unit.page).store(0)
    try invalidate(unit.pages, &log, w)
    publish(log)
  }

  @inlinable
  func dropCopy(_ held: inout HeldUnit, _ w: Workspace<E.W>) throws(EngineError) {
    ensureHeld(held)
    if held.word.isHome { return }
    if held.word.home < 0 {
      switch try locate(held.unit, claiming: true, w) {
      case .home(let home) where home != node: step(.learnHomeOfCopy, &held, told: home)
      default:
        // The zeros that views may show are the home's frame already, and a pinned page stays shown.
        step(.becomeHome, &held)
        return
      }
    }
    if held.word.state == .clean && !held.word.isPinned {
      protection.lower(held.unit.pages, to: .none)
      step(.invalidate, &held)
    }
  }

  /// The enclosing word before and after.
  @inlinable
  func perform(
    _ operation: AtomicOperation, at target: RemoteAddress, _ home: NodeID, lane: Lane,
    _ mask: UInt64, _ w: Workspace<E.W>
  ) throws(EngineError) -> (before: UInt64, after: UInt64) {
    let shift = UInt64(mask.trailingZeroBitCount)
    if case .fetchAdd(let addend) = operation, mask == ~0 {
      var batch = fabric.open(home, lane: lane)
      fabric.fetchAdd(&batch, at: target, addend: addend, old: w.result(0))
      try complete(batch, w)
      return (w.resultValue(0), w.resultValue(0) &+ addend)
    }
    if case .compareExchange(let expected, let desired) = operation, mask == ~0 {
      let before = try compareAndSwap(target, expected, desired, home, lane, w)
      return (before, before == expected ? desired : before)
    }
    var batch = fabric.open(home, lane: lane)
    fabric.read(&batch, from: target, into: w.result(0), byteCount: 8)
    try complete(batch, w)
    var word = w.resultValue(0)
    while true {
      let old = (word & mask) >> shift
      let new: UInt64
      switch operation {
      case .load: return (word, word)
      case .exchange(let value): new = value
      case .fetchAdd(let addend): new = old &+ addend
      case .compareExchange(let expected, let desired):
        if old != expected & (mask >> shift) { return (word, word) }
        new = desired
      }
      let desired = word & ~mask | (new << shift) & mask
      let before = try compareAndSwap(target, word, desired, home, lane, w)
      if before == word { return (word, desired) }
      word = before
    }
  }

  /// One compare-and-swap; the word before.
  @inlinable
  func compareAndSwap(
    _ target: RemoteAddress, _ expected: UInt64, _ desired: UInt64, _ home: NodeID, _ lane: Lane,
    _ w: Workspace<E.W>
  ) throws(EngineError) -> UInt64 {
    var batch = fabric.open(home, lane: lane)
    fabric.compareAndSwap(&batch, at: target, expected: expected, desired: desired, old: w.result(0))
    try complete(batch, w)
    return w.resultValue(0)
  }
}
