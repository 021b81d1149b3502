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
    let unit = pages.unit(containing: address >> configuration.pageShift)
    touch(unit.page)
    let home = try prepareAtomic(unit, w)
    defer { unlock(unit) }
    let frame = try homeFrame(unit.page, home: home, w)
    let target = frame.advanced(by: address - (unit.page << configuration.pageShift))
    let (before, after) = try perform(operation, at: target, home, lane: lane(unit.page), mask, w)
    keepInPinnedCopy(unit, address, after)
    let value = (before & mask) >> UInt64(mask.trailingZeroBitCount)
    if case .load = operation { return value }
    pages.cell(unit.page).addAtomics()
    pages.dirty.insert(unit.page)
    return value
  }

  /// A pinned copy stays, and no notice tells this node of its own atomics: they are carried out on the
  /// copy too. The lock bit is held, so the copy takes values in the order in which the home had them.
  @inlinable
  func keepInPinnedCopy(_ unit: Unit, _ address: Int, _ value: UInt64) {
    let word = pages.load(unit.page)
    guard word.isPinned, word.state == .clean || word.state == .dirty else { return }
    if isOn(.atomicsPassByPinnedCopy) { return }
    let offset = address - (unit.page << configuration.pageShift)
    frame(unit.page).storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
    // Equal to the frame: other nodes change this word too, so it must not be in a diff.
    pages.twin(unit.page).storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
  }

  /// Takes the unit's lock bit with no copy left here that could hide the word; returns its home.
  @inlinable
  func prepareAtomic(_ unit: Unit, _ w: Workspace) throws(EngineError) -> NodeID {
    let cell = pages.cell(unit.page)
    var backoff = Backoff()
    while true {
      let old = cell.load()
      if old.isLocked || old.state == .fetching {
        try checkPeers()
        execution.pause(&backoff)
        continue
      }
      if old.state == .dirty && !old.isPinned {
        try flushForAtomic(unit, w)
        continue
      }
      var locked = old
      locked.isLocked = true
      guard cell.exchange(old, for: locked) else { continue }
      var word = locked
      try unlocking(unit) { () throws(EngineError) in try dropCopy(unit, &word, w) }
      cell.replace(locked, by: word)
      return word.home
    }
  }

  /// A dirty copy is placed and dropped as under a notice: that takes the commit lock, which comes
  /// before lock bits.
  @inlinable
  func flushForAtomic(_ unit: Unit, _ w: Workspace) throws(EngineError) {
    try takeCommitLock()
    defer { dropCommitLock() }
    var log = LogWriter(logHead.load())
    try invalidate(unit.pages, &log, w)
    publish(log)
  }

  @inlinable
  func dropCopy(_ unit: Unit, _ word: inout PageWord, _ w: Workspace) throws(EngineError) {
    if word.isHome { return }
    if word.home < 0 {
      switch try locate(unit, claiming: true, w) {
      case .home(let home) where home != node: word.home = home
      default:
        // The zeros that views may show are the home's frame already, and a pinned page stays shown.
        becomeHome(unit, &word)
        return
      }
    }
    if word.state == .clean && !word.isPinned {
      protection.lower(unit.pages, to: .none)
      word.state = .invalid
    }
  }

  /// The enclosing word before and after.
  @inlinable
  func perform(
    _ operation: AtomicOperation, at target: RemoteAddress, _ home: NodeID, lane: Int,
    _ mask: UInt64, _ w: Workspace
  ) throws(EngineError) -> (before: UInt64, after: UInt64) {
    let shift = UInt64(mask.trailingZeroBitCount)
    if case .fetchAdd(let addend) = operation, mask == ~0 {
      var batch = fabric.open(home, lane: lane)
      fabric.fetchAdd(&batch, at: target, addend: addend, old: w.result(0))
      fabric.submit(batch, w.flight)
      try wait(w.flight)
      return (w.resultValue(0), w.resultValue(0) &+ addend)
    }
    if case .compareExchange(let expected, let desired) = operation, mask == ~0 {
      let before = try compareAndSwap(target, expected, desired, home, lane, w)
      return (before, before == expected ? desired : before)
    }
    var batch = fabric.open(home, lane: lane)
    fabric.read(&batch, from: target, into: w.result(0), byteCount: 8)
    fabric.submit(batch, w.flight)
    try wait(w.flight)
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
    _ target: RemoteAddress, _ expected: UInt64, _ desired: UInt64, _ home: NodeID, _ lane: Int,
    _ w: Workspace
  ) throws(EngineError) -> UInt64 {
    var batch = fabric.open(home, lane: lane)
    fabric.compareAndSwap(&batch, at: target, expected: expected, desired: desired, old: w.result(0))
    fabric.submit(batch, w.flight)
    try wait(w.flight)
    return w.resultValue(0)
  }
}
