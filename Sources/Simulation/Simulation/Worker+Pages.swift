import Coherence
import Fabric
import Platform
import SimulatedFabric

extension Worker {
  // MARK: Atomics

  func atomic() throws(EngineError) {
    let words = plan.atomicWords[phase]
    if words.isEmpty { return }
    let word = random.pick(words)
    let index = random.below(plan.words[word].masks.count)
    let mask = plan.words[word].masks[index]
    let address = plan.words[word].address
    let unique = uniqueValue(address, mask)
    scheduler.note("atomic on byte", address)
    let began = scheduler.steps
    let (old, new) = try perform(address, mask, unique)
    program.atomics[word][index].add(
      AtomicHistory.Event(old: old, new: new, began: began, ended: scheduler.steps))
    scheduler.log("atomic on byte \(address) found \(old), left \(new)")
  }

  /// A value that the variable takes only by this thread's doing now, so that the values tell the order. Its
  /// low bits are unique, and not those that the variable began the phase with; sums only change the others.
  private func uniqueValue(_ address: Int, _ mask: UInt64) -> UInt64 {
    var before: UInt64 = 0
    for byte in 0..<8 { before |= UInt64(oracle.value(address + byte)) << UInt64(8 * byte) }
    let lowBits: UInt64 = mask == ~0 ? (1 << 20) - 1 : (1 << 14) - 1
    repeat {
      program.nextUnique += 1
    } while program.nextUnique == (before >> UInt64(mask.trailingZeroBitCount)) & lowBits
    return program.nextUnique
  }

  private func perform(
    _ address: Int, _ mask: UInt64, _ unique: UInt64
  ) throws(EngineError) -> (old: UInt64, new: UInt64) {
    switch random.below(4) {
    case 0:
      let old = try engine.atomic(.load, at: address, mask: mask)
      return (old, old)
    case 1:
      return (try engine.atomic(.exchange(unique), at: address, mask: mask), unique)
    case 2:
      let guess = try engine.atomic(.load, at: address, mask: mask)
      let old = try engine.atomic(.compareExchange(expected: guess, desired: unique), at: address, mask: mask)
      return (old, old == guess ? unique : old)
    default:
      // Above the low bits of all unique values: between two of those the sums only grow.
      let addend: UInt64 = mask == ~0 ? 1 << 20 : 1 << 14
      let old = try engine.atomic(.fetchAdd(addend), at: address, mask: mask)
      return (old, mask == ~0 ? old &+ addend : (old &+ addend) & 0xFFFF_FFFF)
    }
  }

  // MARK: Pins and prefetches

  private func somePages() -> PageRange? {
    let live = plan.segments.filter { $0.isLive(phase) }
    if live.isEmpty { return nil }
    // Where the program's bytes are, rather than anywhere.
    if random.chance(2, in: 3), let cell = plan.cells.isEmpty ? nil : random.pick(plan.cells),
      plan.segments[cell.segment].isLive(phase)
    {
      return PageRange(program.run.configuration.page(atByte: cell.address), count: 1)
    }
    let shape = random.pick(live).shape(phase)
    let first = random.below(shape.pageCount)
    let count = random.within(1...min(4, shape.pageCount - first))
    return PageRange(shape.firstPage + first, count: count)
  }

  func prefetch() throws(EngineError) {
    guard let pages = somePages() else { return }
    scheduler.note("prefetching", pages.lowerBound.number, pages.upperBound.number)
    try engine.prefetch(pages, view: ViewID(random.below(node.viewCount)))
  }

  func pinOrUnpin() throws(EngineError) {
    if !pins.isEmpty, random.chance(1, in: 2) {
      let pin = pins.remove(at: random.below(pins.count))
      try unpin(pin)
      return
    }
    guard let pages = somePages(), pins.count < 3 else { return }
    let view = ViewID(random.below(node.viewCount))
    let access: Access =
      node.viewLimits[view.number] == .readWrite && random.chance(1, in: 2) ? .readWrite : .read
    scheduler.note("pinning", pages.lowerBound.number, pages.upperBound.number)
    try engine.pin(pages, to: access, view: view)
    pins.append(Pin(pages: pages, access: access, view: view))
  }

  private func unpin(_ pin: Pin) throws(EngineError) {
    scheduler.note("unpinning", pin.pages.lowerBound.number, pin.pages.upperBound.number)
    try engine.unpin(pin.pages)
  }

  /// Before a barrier: what is about to be freed may not stay pinned.
  func unpin(keepingSome: Bool) throws(EngineError) {
    let keeps = keepingSome && random.chance(1, in: 2) && plan.segments.allSatisfy { $0.death != phase + 1 }
    while !keeps, let pin = pins.popLast() { try unpin(pin) }
  }
}
