import Coherence
import Platform
import SimulatedFabric

extension Worker {
  /// One random operation that the plan allows to this thread now.
  func operate() throws(EngineError) {
    let features = program.run.features
    switch random.below(16) {
    case 0, 1, 2, 3: try accessFreely(random.within(1...4))
    case 4, 5, 6, 7, 8: if features.contains(.locks) { try criticalSection() }
    case 9, 10: if features.contains(.tokens) { try useToken() }
    case 11: if features.contains(.atomics) { try atomic() }
    case 12: if features.contains(.pins) { try pinOrUnpin() }
    case 13: if features.contains(.prefetch) { try prefetch() }
    case 14:
      if features.contains(.fences), random.chance(1, in: 2) {
        try fence()
      } else if features.contains(.scans) {
        try scan()
      }
    default: if features.contains(.atomics) { try atomic() } else { try accessFreely(1) }
    }
  }

  // MARK: Loads and stores

  /// Bytes that this thread may access by itself: owned, or read-only.
  private func accessFreely(_ count: Int) throws(EngineError) {
    scheduler.note("free accesses")
    try access(count) { discipline in
      switch discipline {
      case .owner(let owner): owner == thread ? .readWrite : .none
      case .leaders(let first):
        isLeader && (first + turn) % program.run.configuration.nodeCount == node.id ? .readWrite : .none
      case .readOnly: .read
      default: .none
      }
    }
  }

  /// Up to `count` accesses to bytes to which `right` admits.
  private func access(_ count: Int, _ right: (Discipline) -> Access) throws(EngineError) {
    if plan.cells.isEmpty { return }
    var done = 0
    for _ in 0..<20 * count {
      let index = random.below(plan.cells.count)
      let allowed = right(plan.disciplines[phase][index])
      if allowed == .none { continue }
      if allowed == .readWrite && !plan.isReadOnly[phase] && random.chance(stores, in: 8) {
        try store(plan.cells[index].address)
      } else {
        try load(plan.cells[index].address)
      }
      done += 1
      if done == count { return }
    }
  }

  /// Page after page, as read-ahead likes it.
  private func scan() throws(EngineError) {
    guard let segment = plan.segments.indices.filter({ plan.segments[$0].isLive(phase) }).first else {
      return
    }
    let shape = plan.segments[segment].shape(phase)
    let first = random.below(shape.pageCount)
    scheduler.note("scanning from page", shape.firstPage.number + first)
    for offset in first..<min(shape.pageCount, first + random.within(2...8)) {
      let address = plan.coldBytes[shape.firstPage.number + offset]
      if address >= 0 { try load(address) }
    }
  }

  func load(_ address: Int) throws(EngineError) {
    let view = ViewID(random.below(node.viewCount))
    checkPinned(address, .read, view)
    let value = try node.load(address, view: view)
    scheduler.log("loads \(value) from byte \(address) in view \(view)")
    if let complaint = oracle.loaded(thread, address, value), scheduler.deadNode < 0 {
      scheduler.fail(complaint)
    }
  }

  func store(_ address: Int) throws(EngineError) {
    // A store of what is there already leaves an empty diff.
    let before = oracle.value(address)
    let value = random.chance(1, in: 12) ? before : before &+ UInt8(random.within(1...255))
    let canChoose = node.viewLimits[node.viewCount - 1] == .readWrite
    let view = ViewID(canChoose ? random.below(node.viewCount) : 0)
    checkPinned(address, .readWrite, view)
    try node.store(value, address, view: view)
    scheduler.log("stores \(value) to byte \(address) in view \(view)")
    if let complaint = oracle.stored(thread, node: node.id, address, value) { scheduler.fail(complaint) }
  }

  /// Pages that this thread has pinned are accessible: a system call would not fault.
  private func checkPinned(_ address: Int, _ wanted: Access, _ view: ViewID) {
    let page = program.run.configuration.page(atByte: address)
    for pin in pins where pin.view == view && pin.access >= wanted && pin.pages.contains(page) {
      if node.allowed(page, view: view) < wanted.rawValue {
        scheduler.fail("Page \(page), pinned by thread \(thread) in view \(view), does not allow \(wanted).")
      }
    }
  }

  // MARK: Locks

  private func criticalSection() throws(EngineError) {
    let likesOne = favouriteLock < program.run.lockCount && random.chance(3, in: 4)
    let id = likesOne ? favouriteLock : random.below(program.run.lockCount)
    guard try take(id) else { return }
    if random.chance(1, in: 20) { try expectMisuse(id) }
    try accessGuarded(by: id)
    if program.run.features.contains(.nestedLocks), id + 1 < program.run.lockCount, random.chance(1, in: 2) {
      let inner = random.within(id + 1...program.run.lockCount - 1)
      if try take(inner) {
        try accessGuarded(by: inner)
        try accessGuarded(by: id)
        try give(inner)
      }
    }
    try give(id)
  }

  private func accessGuarded(by id: Int) throws(EngineError) {
    try access(random.within(0...4)) { discipline in
      if case .lock(id) = discipline { .readWrite } else { .none }
    }
  }

  private func take(_ id: Int) throws(EngineError) -> Bool {
    let use: LockUse = id == program.run.momentLock ? .moment : .program
    // With a limit it is the program's only.
    let kind = program.run.features.contains(.tryLocks) ? random.below(use == .program ? 4 : 2) : 0
    do throws(EngineError) {
      switch kind {
      case 1:
        scheduler.note("trying lock", id)
        try engine.tryAcquireLock(id, for: use)
      case 2:
        scheduler.note("waiting with a limit for lock", id)
        try engine.acquireLock(id, withinNanoseconds: UInt64(random.below(20_000)))
      case 3 where use == .program:
        scheduler.note("waiting with a slot for lock", id)
        try engine.acquireLock(id, givingSlot: try engine.takeWaitSlot().slot)
      default:
        scheduler.note("waiting for lock", id)
        try engine.acquireLock(id, for: use)
      }
    } catch .busy where kind == 1 || kind == 2 {
      return false
    } catch .slotsExhausted where use == .program && program.run.configuration.lockSlotCount < 16 {
      // A node that has too few slots for its threads; nothing is lost.
      return false
    } catch {
      throw error
    }
    oracle.join(thread, program.lockClocks[id])
    scheduler.note("holding lock", id)
    return true
  }

  private func give(_ id: Int) throws(EngineError) {
    oracle.publish(thread, into: &program.lockClocks[id])
    scheduler.note("releasing lock", id)
    try engine.releaseLock(id)
  }

  /// Errors that lose nothing.
  private func expectMisuse(_ held: Int) throws(EngineError) {
    do throws(EngineError) {
      try engine.acquireLock(held)
      scheduler.fail("Thread \(thread) got lock \(held) twice.")
    } catch .deadlock {
    } catch {
      throw error
    }
    guard let other = (0..<program.run.lockCount).first(where: { $0 != held }) else { return }
    do throws(EngineError) {
      try engine.releaseLock(other)
      scheduler.fail("Thread \(thread) released lock \(other), which it does not hold.")
    } catch .notOwner {
    } catch {
      throw error
    }
  }

  // MARK: Tokens: hand-overs outside the simulated memory, ordered by fences

  private func useToken() throws(EngineError) {
    let id = random.below(program.run.tokenCount)
    guard program.tokens[id].holder == thread else {
      if program.run.features.contains(.slots), random.chance(1, in: 2) { try awaitToken(id) }
      return
    }
    if program.tokens[id].isOnItsWay {
      program.tokens[id].isOnItsWay = false
      if program.tokens[id].crossesNodes {
        scheduler.note("acquire fence for token", id)
        try engine.acquireAll()
      }
      oracle.join(thread, program.tokens[id].clock)
    }
    try access(random.within(0...4)) { discipline in
      if case .token(id) = discipline { .readWrite } else { .none }
    }
    if random.chance(2, in: 3) { try pass(id) }
  }

  /// Asks for the token and waits on a slot for a while; whoever has it may grant it there.
  private func awaitToken(_ id: Int) throws(EngineError) {
    if program.tokens[id].waiter != nil { return }
    let slot: Int
    let name: SlotName
    do throws(EngineError) {
      (slot, name) = try engine.takeWaitSlot()
    } catch .slotsExhausted where program.run.configuration.lockSlotCount < 16 {
      return
    } catch {
      throw error
    }
    program.tokens[id].waiter = (thread, name)
    scheduler.note("waiting on a slot for token", id)
    var isGranted = try awaitGrant(slot, withinNanoseconds: UInt64(random.below(200_000)))
    if !isGranted {
      if let waiter = program.tokens[id].waiter, waiter.thread == thread {
        program.tokens[id].waiter = nil
      } else {
        // Somebody has begun to grant it.
        try engine.awaitGrant(slot)
        isGranted = true
      }
    }
    if isGranted {
      try engine.acquireGranted(slot)
      program.tokens[id].isOnItsWay = false
      oracle.join(thread, program.tokens[id].clock)
      scheduler.log("was granted token \(id)")
    }
    engine.giveBackWaitSlot(slot)
  }

  /// In steps, as events and conditions wait. False where the time was over first.
  private func awaitGrant(_ slot: Int, withinNanoseconds limit: UInt64) throws(EngineError) -> Bool {
    let start = scheduler.nowNanoseconds
    var backoff = Backoff()
    engine.beginWaiting()
    defer { engine.endWaiting() }
    while true {
      let passed = scheduler.nowNanoseconds - start
      if passed >= limit { return engine.isGranted(slot) }
      if try engine.pollGrant(slot, &backoff, beforeLimit: limit - passed) { return true }
    }
  }

  private func pass(_ id: Int) throws(EngineError) {
    if let waiter = program.tokens[id].waiter {
      program.tokens[id].waiter = nil
      var clock = VectorClock()
      oracle.publish(thread, into: &clock)
      program.tokens[id].clock = clock
      program.tokens[id].holder = waiter.thread
      // Nobody takes it before the grant: its new holder waits on the slot.
      program.tokens[id].isOnItsWay = true
      scheduler.note("granting token to thread", id, waiter.thread)
      try engine.release()
      try engine.grantWaiter(waiter.slot)
      return
    }
    let next = random.below(oracle.clocks.count)
    if next == thread { return }
    let crossesNodes = program.node(ofThread: next) != node.id
    var clock = VectorClock()
    oracle.publish(thread, into: &clock)
    if crossesNodes {
      scheduler.note("release fence for token", id)
      try engine.release()
    }
    scheduler.log("passes token \(id) to thread \(next)")
    program.tokens[id].holder = next
    program.tokens[id].isOnItsWay = true
    program.tokens[id].crossesNodes = crossesNodes
    program.tokens[id].clock = clock
  }

  /// Fences that order nothing in particular do no harm.
  private func fence() throws(EngineError) {
    if random.chance(1, in: 2) {
      scheduler.note("release fence")
      try engine.release()
    } else {
      scheduler.note("acquire fence")
      try engine.acquireAll()
    }
  }
}
