import Coherence
import SimulatedFabric

/// What a run is like: the sizes of the cluster and which features its program uses, all drawn from the seed.
/// Not every run uses everything: a feature that is left out cannot hide what goes wrong without it.
struct RunShape {
  var configuration: Configuration
  var network: NetworkShape
  var viewLimits: [Access]
  var threadsOfNode: [Int]
  var disturbEverySteps: Int
  var death: PlannedDeath?
  var lockCount: Int
  var tokenCount: Int
  /// Phases between barriers of all threads.
  var phaseCount: Int
  /// Operations of a thread in a phase, at most.
  var operationLimit: Int
  /// Shared bytes in use.
  var cellCount: Int
  var segmentCount: Int
  /// Pages that those are on, at most.
  var hotPageLimit = 6
  /// Node 0 is the wished home of everything and writes; the others mostly read, and seldom.
  var hasBusyHome = false
  /// Segments come and go all the time.
  var hasFreeing = false
  /// The last lock is one of the library's, taken for moments: nobody takes another one inside.
  var hasMomentLock = false
  var momentLock: Int? { hasMomentLock && lockCount > 1 ? lockCount - 1 : nil }
  var features: Features
  var counters = CounterStart()

  /// The kinds of operations that the program may use.
  struct Features: OptionSet {
    let rawValue: Int
    static let locks = Features(rawValue: 1)
    static let owned = Features(rawValue: 2)
    static let readOnly = Features(rawValue: 4)
    static let tokens = Features(rawValue: 8)
    static let atomics = Features(rawValue: 16)
    static let pins = Features(rawValue: 32)
    static let prefetch = Features(rawValue: 64)
    static let tryLocks = Features(rawValue: 128)
    static let leaderBarriers = Features(rawValue: 256)
    static let frees = Features(rawValue: 512)
    static let fences = Features(rawValue: 1024)
    static let nestedLocks = Features(rawValue: 2048)
    /// Tokens granted on wait slots.
    static let slots = Features(rawValue: 4096)
    /// Reading page after page.
    static let scans = Features(rawValue: 8192)
    static let count = 14
  }

  init(_ random: inout Random) {
    let nodeCount = random.pick([1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, random.within(5...8)])
    // No more threads in all than a vector clock has entries.
    let mostThreads = random.within(1...(nodeCount > 4 ? 2 : 3))
    threadsOfNode = (0..<nodeCount).map { _ in random.within(1...mostThreads) }
    viewLimits = random.pick([[.readWrite], [.readWrite], [.readWrite, .readWrite], [.readWrite, .read]])
    features = Features(rawValue: 0)
    for feature in 0..<Features.count where random.chance(3, in: 5) {
      features.insert(Features(rawValue: 1 << feature))
    }
    // Some kind of data to share there must be.
    if features.isDisjoint(with: [.locks, .owned, .tokens]) { features.insert([.locks, .owned]) }
    lockCount = random.pick([1, 2, 4])
    tokenCount = random.within(1...3)
    phaseCount = random.pick([1, 2, 2, 3, 3, 4, 6])
    operationLimit = random.pick([4, 8, 8, 16, 30])
    segmentCount = random.pick([1, 1, 2, 3])
    cellCount = random.pick([4, 8, 16, 40, 80])
    disturbEverySteps = random.pick([0, 0, 2000, 200])
    network = NetworkShape(
      nodeCount: nodeCount, laneCount: random.pick([1, 1, 2, 4]), inlineLimit: random.pick([0, 8, 32, 64]),
      registersInPlace: random.chance(1, in: 2))
    network.isMapped = random.chance(1, in: 3)
    var c = Configuration(nodeCount: nodeCount, pageCount: 64 * random.pick([1, 1, 2, 3]))
    c.pageShift = random.pick([4, 5, 5, 6])
    c.chunkShift = random.within(1...3)
    c.logEntryCount = random.pick([2, 4, 8, 16, 64])
    c.lockCount = lockCount
    c.lockSlotCount = random.pick([1, 2, 16, 16, 16, 16])
    c.momentSlotCount = random.pick([1, 1, 2, 32])
    hasMomentLock = random.chance(1, in: 3)
    c.epochEntryCount = random.pick([1, 2, 4, 8, 64])
    c.moveCount = random.pick([1, 2, 8, 64])
    c.workspaceCount = random.pick([1, 2, 4, 8])
    c.shapeCount = 8
    // Of units of one page; they have up to four.
    let windowPageCount = random.pick([0, 2, 8])
    c.readAhead = WindowLimit(byteCount: windowPageCount << c.pageShift)
    c.prefetch = WindowLimit(byteCount: 4 * (windowPageCount << c.pageShift))
    c.localPassLimit = random.within(0...3)
    configuration = c
    if nodeCount > 1, random.chance(1, in: 12) {
      death = PlannedDeath(
        node: random.below(nodeCount), step: random.below(random.pick([500, 4000, 20_000])),
        delaySteps: random.below(500), failsOperations: random.chance(1, in: 2))
    }
    switch random.below(8) {
    case 0, 1: focus(&random)
    case 2: favourHome(&random)
    case 3, 4: favourFreeing(&random)
    default: break
    }
    if random.chance(1, in: 3) { startCountersLate(&random) }
    // One node that protects nothing shows little.
    let without: [Mechanisms] = [[], [], [], .claimRuns, .exclusiveAtRelease, .writeAhead]
    configuration.mechanisms.subtract(random.pick(without))
    if nodeCount == 1, random.chance(1, in: 2) { configuration.mechanisms.remove(.alone) }
    configuration.writeAhead = configuration.readAhead
    configuration.moveRest = random.pick([0, 0, 1, 3])
    configuration.hotPageCount = random.pick([0, 1, 4, 256, 256])
    configuration.claimRun = WindowLimit(byteCount: random.within(2...8) << configuration.pageShift)
  }

  /// Counters just before some limit of theirs, or of a field that would be too narrow for them.
  private mutating func startCountersLate(_ random: inout Random) {
    func before(_ limits: [UInt64], _ distance: Int) -> UInt64 {
      random.pick(limits) - UInt64(random.below(distance))
    }
    let words: [UInt64] = [1 << 16, 1 << 31, 1 << 32, 1 << 40]
    counters.epoch = before(words, 8)
    // A tag of zero is also what an inbox holds that nobody has written to.
    counters.dissemination = before([1 << 16, 1 << 17, 1 << 32], 12)
    counters.logPosition = before(words + [(1 << 48) - 4096], 64)
    counters.retirePosition = before([256, 1 << 16, 1 << 32, (1 << 46) - 16], 4)
    counters.round = before(words, 64)
  }

  /// Segments that come and go while the threads of a node go on with others: barriers of the first threads
  /// alone, in which pages are forgotten.
  private mutating func favourFreeing(_ random: inout Random) {
    threadsOfNode = threadsOfNode.map { _ in threadsOfNode.count > 4 ? 2 : random.within(2...3) }
    features = [.locks, .frees, .leaderBarriers]
    if random.chance(2, in: 3) { features.insert(.owned) }
    for other in [Features.fences, .atomics, .scans, .prefetch] where random.chance(1, in: 4) {
      features.insert(other)
    }
    lockCount = random.within(1...2)
    configuration.lockCount = lockCount
    configuration.lockSlotCount = 16
    configuration.workspaceCount = 8
    hasFreeing = true
    segmentCount = random.within(2...3)
    hotPageLimit = random.within(2...4)
    cellCount = random.within(4...12)
    // Five, and a segment can live again.
    phaseCount = random.pick([2, 3, 5, 6])
    operationLimit = random.pick([6, 12, 24])
    disturbEverySteps = 0
    death = nil
  }

  /// A home whose threads write and release all the time, and others that look now and then: what exclusive
  /// mode is for.
  private mutating func favourHome(_ random: inout Random) {
    focus(&random)
    threadsOfNode = threadsOfNode.indices.map { $0 == 0 ? 3 : 1 }
    features = random.pick([.locks, [.locks, .fences]])
    hasBusyHome = true
    lockCount = random.within(2...3)
    configuration.lockCount = lockCount
    cellCount = random.within(3...6)
    hotPageLimit = 1
    phaseCount = 1
    operationLimit = 200
    viewLimits = [.readWrite]
  }

  /// A few bytes of one or two pages, and threads that do nothing but get in each other's way there.
  private mutating func focus(_ random: inout Random) {
    threadsOfNode = threadsOfNode.map { _ in threadsOfNode.count > 4 ? 1 : random.pick([1, 2, 2, 3]) }
    features = random.pick([
      .locks, [.locks, .fences], [.locks, .tokens, .fences], [.tokens, .slots, .fences], [.locks, .atomics],
      [.locks, .leaderBarriers],
    ])
    lockCount = random.within(1...2)
    cellCount = random.within(2...6)
    hotPageLimit = random.within(1...2)
    segmentCount = 1
    phaseCount = random.within(1...2)
    operationLimit = random.pick([60, 60, 200])
    disturbEverySteps = 0
    configuration.lockCount = lockCount
    configuration.workspaceCount = 8
  }
}

extension RunShape: CustomStringConvertible {
  var description: String {
    let c = configuration
    return
      "\(c.nodeCount) nodes, threads \(threadsOfNode), \(c.pageCount) pages of \(c.pageByteCount) bytes, "
      + "chunks of \(c.chunkPageCount), log \(c.logEntryCount), epoch set \(c.epochEntryCount), moves "
      + "\(c.moveCount), workspaces \(c.workspaceCount), read-ahead \(c.readAhead.byteCount) bytes, "
      + "claims of \(c.claimRun.byteCount) bytes, hot \(c.hotPageCount), "
      + "mechanisms \(c.mechanisms.rawValue), lanes "
      + "\(network.laneCount), inline \(network.inlineLimit), registers "
      + "\(network.registersInPlace ? "in place" : "by service"), control memory "
      + "\(network.isMapped ? "mapped" : "not mapped"), views \(viewLimits), "
      + "\(lockCount) locks, \(segmentCount) segments, \(cellCount) cells, \(phaseCount) phases of up to "
      + "\(operationLimit) operations, \(counters), features \(String(features.rawValue, radix: 2)), "
      + "disturbed every \(disturbEverySteps)\(death.map { ", \($0)" } ?? "")"
  }
}
