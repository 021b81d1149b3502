import ArgumentParser
import Merino

/// Litmus tests with real faults, on one page and on two pages with different homes.
struct LitmusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "litmus", abstract: "Litmus tests of the memory model; at least 4 nodes.")

  @Option(help: "Iterations of each test on each layout.")
  var iterations = 2000

  @Option(help: "Only tests whose name contains this.")
  var only: String?

  func run() throws {
    let cluster = must("join") { () throws(MerinoError) in try Cluster.join() }
    guard cluster.nodeCount >= 4 else { Failure.report("litmus tests need 4 nodes") }
    for layout in ["one page", "two pages"] {
      let litmus = setUp(cluster, samePage: layout == "one page")
      for test in LitmusTest.all where only.map({ test.name.contains($0) }) ?? true {
        var run = LitmusRun(litmus, test, layout: layout, iterations: iterations)
        run.run()
      }
    }
    if cluster.node == 0 { Failure.say("PASS litmus") }
    must("finalize") { () throws(MerinoError) in try cluster.finalize() }
  }

  private func setUp(_ cluster: Cluster, samePage: Bool) -> Litmus {
    let name = samePage ? "litmus-one" : "litmus-two"
    if cluster.node == 0 {
      _ = must("create") { () throws(MerinoError) in
        try cluster.createSegment(named: name, byteCount: 16384, placement: .cyclic)
      }
    }
    // Node 1 makes b, so that the locks have different homes.
    let handles = must("make objects") { () throws(MerinoError) -> [UInt64] in
      var own: [UInt64] = [0, 0, 0, 0]
      if cluster.node == 0 {
        own = [try cluster.makeLock().handle, 0, try cluster.makeReadWriteLock().handle, 0]
      } else if cluster.node == 1 {
        own = [0, try cluster.makeLock().handle, 0, try cluster.makeEvent().handle]
      }
      return try cluster.allReduce(own, .sum)
    }
    let view = must("attach") { () throws(MerinoError) in try cluster.openSegment(named: name).attach() }
    let base = UInt(bitPattern: view.baseAddress)
    return Litmus(
      cluster: cluster, xAddress: base, yAddress: base + (samePage ? 1024 : 4096),
      flagAddress: base + (samePage ? 2048 : 8192), a: Lock(handle: handles[0]), b: Lock(handle: handles[1]),
      readWrite: ReadWriteLock(handle: handles[2]), event: Event(handle: handles[3]))
  }
}

/// One test on one layout.
struct LitmusRun {
  let litmus: Litmus
  let test: LitmusTest
  let layout: String
  let iterations: Int
  /// Two words for each iteration and role; summed over the nodes at the end.
  private var outcomes: [UInt64]

  init(_ litmus: Litmus, _ test: LitmusTest, layout: String, iterations: Int) {
    self.litmus = litmus
    self.test = test
    self.layout = layout
    // Where each iteration costs barriers of its own, fewer.
    let iterations = test.isAlone ? max(1, iterations / 10) : iterations
    self.iterations = iterations
    outcomes = Array(repeating: 0, count: iterations * test.roleCount * 2)
  }

  private func barrier() {
    must("pass the barrier") { () throws(MerinoError) in try litmus.cluster.barrier() }
  }

  mutating func run() {
    let batch = test.isAlone ? 1 : Litmus.slotCount
    reset()
    var done = 0
    while done < iterations {
      runBatch(done..<min(done + batch, iterations), number: done / batch)
      done += batch
    }
    judge()
  }

  /// Within a batch nothing keeps the nodes in step but what the test does, so that they meet in many ways.
  private mutating func runBatch(_ batch: Range<Int>, number: Int) {
    let cluster = litmus.cluster
    // The roles go round, so that writers and readers are now home, now not.
    let role = (cluster.node + number) % cluster.nodeCount
    var dice = Dice(Hash.mix(UInt64(number), role))
    // Half of the time there are old copies, which must not survive.
    if dice.oneIn(2) { checkOld(batch) }
    barrier()
    for iteration in batch {
      let slot = litmus.slot(iteration - batch.lowerBound)
      if dice.oneIn(4) { spin(nanoseconds: dice.below(30_000)) }
      if role < test.roleCount {
        let seen = test.body(slot, role, UInt64(iteration + 1))
        outcomes[(iteration * test.roleCount + role) * 2] = seen.0.rawValue
        outcomes[(iteration * test.roleCount + role) * 2 + 1] = seen.1.rawValue
      } else if test.isInBarrier {
        barrier()
      }
    }
    barrier()
    checkNew(batch)
    barrier()
  }

  private func reset() {
    barrier()
    for index in 0..<Litmus.slotCount where litmus.cluster.node == 0 {
      let slot = litmus.slot(index)
      slot.x.pointee = 0
      slot.y.pointee = 0
      must("clear the flag") { () throws(MerinoError) in try litmus.cluster.atomicStore(slot.flag, 0) }
    }
    barrier()
  }

  private func checkOld(_ batch: Range<Int>) {
    for iteration in batch {
      let slot = litmus.slot(iteration - batch.lowerBound)
      let i = UInt64(iteration + 1)
      if litmus.see(slot.x, i) != .old || litmus.see(slot.y, i) != .old {
        Failure.report("\(test.name), \(layout): new values before iteration \(i) wrote anything")
      }
    }
  }

  /// Behind a barrier x is new for everybody in every test.
  private func checkNew(_ batch: Range<Int>) {
    for iteration in batch {
      let slot = litmus.slot(iteration - batch.lowerBound)
      if litmus.see(slot.x, UInt64(iteration + 1)) != .new {
        Failure.report(
          "\(test.name), \(layout): node \(litmus.cluster.node) sees x = \(slot.x.pointee) behind the "
            + "barrier of iteration \(iteration + 1); \(litmus.cluster.describePage(at: slot.x))")
      }
    }
  }

  private func spin(nanoseconds: Int) {
    let start = now()
    while now() - start < UInt64(nanoseconds) {}
  }

  private mutating func judge() {
    let outcomes = outcomes
    let all = must("gather") { () throws(MerinoError) in try litmus.cluster.allReduce(outcomes, .sum) }
    let width = test.roleCount * 2
    var counts: [String: Int] = [:]
    for iteration in 0..<iterations {
      let seen = all[iteration * width..<(iteration + 1) * width].map { Seen(rawValue: $0) ?? .impossible }
      if seen.contains(.impossible) || test.isForbidden(seen) {
        Failure.report("\(test.name), \(layout): iteration \(iteration + 1) saw \(seen)")
      }
      let words = seen.filter { $0 != .nothing }.map { "\($0)" }
      counts[words.joined(separator: " "), default: 0] += 1
    }
    guard litmus.cluster.node == 0 else { return }
    let text = counts.sorted { $0.key < $1.key }.map { "[\($0.key)] \($0.value)" }.joined(separator: ", ")
    Failure.say("\(test.name), \(layout): \(text)")
  }
}
