import CCoroutine

/// How the scheduler chooses for a while. Uniform chance alone finds few deep races, so each phase of a run
/// is biased in its own way: some threads and connections are favoured or starved, some phases run one
/// thread for long, some follow strict priorities with a few changes (as probabilistic concurrency
/// testing does).
struct Bias {
  enum Order { case weighted, priorities }

  var order = Order.weighted
  /// Steps until the next phase.
  var stepsLeft = 0
  /// Points that a thread passes, on average, before anybody else has a chance.
  var meanStay = 0
  /// Points that the running thread may still pass.
  var stay = 0
  /// One in so many choices moves the favourite down, in a phase of priorities.
  var changeEvery = 50
  /// The lowest priority given so far.
  var lowest = 0
  /// The scale of a phase's length, one for the run.
  var phaseScale = 500
  /// One in so many points stalls its thread for a while, so that others do much in a small window; 0 for
  /// none. One for the run.
  var stallEvery = 0
  /// The same at points that the simulated code marks as delicate.
  var delicateStallEvery = 0
  /// Which of those, by a bit of their site's hash: many runs look at few windows, but often.
  var delicateSites: UInt64 = 0
  var stallLength = 0

  init() {}

  init(_ random: inout Random) {
    phaseScale = random.pick([60, 300, 1500, 8000])
    stallEvery = random.pick([0, 0, 30, 100, 400])
    delicateStallEvery = random.pick([0, 2, 4, 10, 30])
    delicateSites = delicateStallEvery > 8 ? ~0 : random.next() & random.next() & random.next()
    stallLength = random.pick([50, 200, 1000])
  }
}

extension Scheduler {
  /// Others may run here. A point inside a loop that only waits `isWaiting`; any other one tells that the
  /// thread gets on.
  @inline(__always)
  public func point(isWaiting: Bool = false) {
    steps += 1
    if observe != nil { observeStep() }
    if current < 0 { return }
    if !isWaiting {
      threads[current].pauses = 0
      idlePauses = 0
      idlePausesOfAll = 0
      if bias.stallEvery > 0, random.below(bias.stallEvery) == 0 { return stall() }
    }
    bias.stay -= 1
    if bias.stay < 0 { reschedule(mayStay: true) }
  }

  /// A point between two steps of which somebody thought that others should not come between.
  public func delicatePoint(_ site: Int) {
    let isChosen =
      bias.delicateSites >> (UInt64(truncatingIfNeeded: site) &* 0x9E37_79B9_7F4A_7C15 >> 58) & 1 != 0
    if isChosen, bias.delicateStallEvery > 0, current >= 0, random.below(bias.delicateStallEvery) == 0 {
      steps += 1
      if observe != nil { observeStep() }
      return stall()
    }
    point()
  }

  /// The calling thread does not run for about so many steps while others can.
  public func sleep(steps count: Int) {
    guard current >= 0, count > 0 else { return }
    threads[current].stalledUntil = steps + count
    reschedule(mayStay: false)
  }

  private func stall() {
    threads[current].stalledUntil = steps + random.below(bias.stallLength)
    reschedule(mayStay: false)
  }

  /// The calling thread cannot go on before somebody else has done something.
  public func pause() {
    steps += 1
    if observe != nil { observeStep() }
    if current < 0 { return }
    threads[current].pauses += 1
    if bias.order == .priorities {
      bias.lowest -= 1
      threads[current].priority = bias.lowest
    }
    if network?.hasWork != true { rest() }
    reschedule(mayStay: false)
  }

  @inline(never)
  private func observeStep() { observe?() }

  /// `pause` of a thread that holds no connection's posting lock: whoever holds what it waits for may want to
  /// post there.
  public func pauseOutsideBatch() {
    if current >= 0, threads[current].openConnection >= 0 { fail("A thread waits with a batch open.") }
    pause()
  }

  /// Nothing is in flight: if everybody only waits, time flies, and after long enough it is a deadlock.
  private func rest() {
    for index in 0..<threadCount where threads[index].stalledUntil > steps && !threads[index].isFinished {
      if threads[index].stalledUntil == .max { continue }
      return
    }
    idlePauses += 1
    if idlePauses > 4 * unfinishedCount { nowNanoseconds += 100_000 }
    idlePausesOfAll += 1
    if idlePausesOfAll > 400 * unfinishedCount {
      fail("Deadlock: nothing is in flight and every thread waits.")
    }
  }

  func beginPhase() {
    bias.stepsLeft = 20 + random.below(2 * bias.phaseScale)
    bias.meanStay = random.pick([0, 0, 0, 1, 3, 10, 40])
    bias.changeEvery = random.pick([10, 40, 200, 1000])
    bias.order = random.chance(1, in: 3) ? .priorities : .weighted
    bias.lowest = 0
    let evenly = random.chance(1, in: 4)
    let starvedNode = random.chance(1, in: 5) ? threads[random.below(threadCount)].node : -1
    for index in 0..<threadCount {
      threads[index].priority = random.below(1 << 20)
      threads[index].weight = evenly ? 16 : random.pick([0, 1, 16, 16, 16, 16, 64, 400])
      if threads[index].node == starvedNode { threads[index].weight = 0 }
    }
    network?.beginPhase(&random)
  }

  /// Chooses who goes on: connections do their step right here, a thread gets the processor.
  func reschedule(mayStay: Bool) {
    var mayStay = mayStay
    while true {
      if failure != nil { leave(to: ccoroutine_host(stacks.pool)) }
      steps += 1
      nowNanoseconds += 40
      if steps > stepLimit { fail("No end in sight after \(stepLimit) steps.") }
      bias.stepsLeft -= 1
      if bias.stepsLeft < 0 { beginPhase() }
      if let disturb { disturb() }
      if let death { live(death) }
      let chosen = bias.order == .weighted ? chooseByWeight(mayStay) : chooseByPriority(mayStay)
      if chosen >= threadCount {
        network.unsafelyUnwrapped.step(connection: chosen - threadCount)
        if observe != nil { observeStep() }
        mayStay = true
        continue
      }
      bias.stay = bias.meanStay == 0 ? 0 : random.below(2 * bias.meanStay + 1)
      if chosen != current { enter(chosen) }
      return
    }
  }

  /// A thread that has paused often in a row is looked at rarely.
  private func effectiveWeight(_ thread: Int) -> Int {
    if threads[thread].stalledUntil > steps { return 0 }
    return (threads[thread].weight << 6) >> min(threads[thread].pauses, 5)
  }

  /// A thread's number, or `threadCount` plus a connection's.
  private func chooseByWeight(_ mayStay: Bool) -> Int {
    var sum = network?.activeWeight ?? 0
    for index in 0..<threadCount where !threads[index].isFinished && (mayStay || index != current) {
      sum += effectiveWeight(index)
    }
    if sum == 0 { return chooseAmongStarved() }
    var left = random.below(sum)
    for index in 0..<threadCount where !threads[index].isFinished && (mayStay || index != current) {
      left -= effectiveWeight(index)
      // Where the ones that run only wait, the starved may be what they wait for.
      if left < 0 {
        return threads[index].pauses > 8 && random.chance(1, in: 8) ? chooseAmongStarved() : index
      }
    }
    return threadCount + network.unsafelyUnwrapped.activeConnection(atWeight: left)
  }

  /// Everybody who could go on has no weight in this phase.
  private func chooseAmongStarved() -> Int {
    let active = network?.activeCount ?? 0
    var runnable = 0
    for index in 0..<threadCount where !threads[index].isFinished && threads[index].stalledUntil != .max {
      runnable += 1
    }
    var left = random.below(runnable + active)
    for index in 0..<threadCount where !threads[index].isFinished && threads[index].stalledUntil != .max {
      left -= 1
      if left < 0 { return index }
    }
    return threadCount + network.unsafelyUnwrapped.activeConnection(at: left)
  }

  private func chooseByPriority(_ mayStay: Bool) -> Int {
    var best = -1
    var bestPriority = Int.min
    for index in 0..<threadCount where !threads[index].isFinished && threads[index].priority > bestPriority {
      if threads[index].stalledUntil > steps { continue }
      best = index
      bestPriority = threads[index].priority
    }
    if let found = network?.activeConnection(above: bestPriority) { best = threadCount + found }
    if best < 0 { return chooseAmongStarved() }
    if random.chance(1, in: bias.changeEvery) {
      bias.lowest -= 1
      if best < threadCount {
        threads[best].priority = bias.lowest
      } else {
        network.unsafelyUnwrapped.setPriority(bias.lowest, connection: best - threadCount)
      }
    }
    return best
  }

  private func enter(_ thread: Int) {
    let from = current < 0 ? ccoroutine_host(stacks.pool) : threads[current].context
    current = thread
    ccoroutine_switch(from, threads[thread].context)
  }

  /// The calling thread's body has returned.
  func finish() -> Never {
    threads[current].isFinished = true
    unfinishedCount -= 1
    if !threads[current].isDaemon { liveCount -= 1 }
    if liveCount == 0 { isStopping = true }
    if deadNode >= 0, liveCount == deadLiveCount { bury() }
    if unfinishedCount == 0 { leave(to: ccoroutine_host(stacks.pool)) }
    reschedule(mayStay: false)
    preconditionFailure("a finished thread was entered again")
  }

  func leave(to context: OpaquePointer?) -> Never {
    let from = current < 0 ? ccoroutine_host(stacks.pool) : threads[current].context
    current = -1
    ccoroutine_switch(from, context)
    preconditionFailure("a thread that had left was entered again")
  }
}
