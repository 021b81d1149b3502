import CCoroutine

/// What went wrong in a simulated run, and everybody's whereabouts at that moment.
public struct SimulationFailure: Error, CustomStringConvertible, Sendable {
  /// A sentence, and after it one line for each thread and connection.
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// Runs threads (coroutines) and the network of a simulated cluster on one thread of the system, one at a
/// time, in an order that only the seed decides.
///
/// Simulated code calls `point()` wherever another thread or the network may come in between, and
/// `pause()` where it waits. No access to state that Swift checks dynamically may be under way then: this
/// target and those that run on it are compiled with `-enforce-exclusivity=unchecked`, and
/// nothing keeps a copy of scheduler state across a call of either.
public final class Scheduler {
  /// Chance itself. Simulated code draws from it too, but never to decide what a program does (programs
  /// have generators of their own, or the schedule would change the program).
  public var random: Random
  /// Scheduling points passed so far.
  public internal(set) var steps = 0
  /// A run that takes more steps than this makes no progress.
  public var stepLimit = 3_000_000
  /// Simulated time.
  public internal(set) var nowNanoseconds: UInt64 = 1
  /// The running thread, -1 outside `run`.
  public internal(set) var current = -1
  /// True once every thread that is no daemon has ended: daemons end too.
  public internal(set) var isStopping = false
  /// Where a history is written to, line by line; `nil` costs a comparison a line.
  public var trace: ((String) -> Void)?
  /// Called at every scheduling point of a traced run, before anybody else runs.
  public var observe: (() -> Void)?
  /// Anything that the environment does on its own at a scheduling point that ends a run of steps.
  public var disturb: (() -> Void)?

  /// A node that is to die in this run.
  public var death: PlannedDeath?
  /// The node that has died, -1 while all are there.
  public internal(set) var deadNode = -1
  /// The same, from when the others know of it on.
  public internal(set) var lostPeer: Int32 = -1

  /// Why the run ended early, once it has.
  public internal(set) var failure: String?

  let stacks: StackPool
  let threads: UnsafeMutablePointer<ThreadState>
  var names: [String] = []
  var bodies: [() -> Void] = []
  var threadCount = 0
  var liveCount = 0
  var unfinishedCount = 0
  var bias = Bias()
  unowned(unsafe) var network: Network?
  var idlePauses = 0
  /// The same since a thread began with something else: one that waits for a time limit again and again gets
  /// on, too.
  var idlePausesOfAll = 0

  static var threadLimit: Int { 256 }

  /// `pool`: stacks to use again and again; `nil` makes one for this scheduler.
  public init(seed: UInt64, pool: StackPool? = nil) {
    random = Random(seed: seed)
    stacks = pool ?? StackPool()
    threads = .allocate(capacity: Self.threadLimit)
    bias = Bias(&random)
  }

  deinit {
    for index in 0..<threadCount { ccoroutine_recycle(stacks.pool, threads[index].context) }
    threads.deallocate()
  }

  /// Adds a thread; it begins to run some time after `run` begins. A daemon looks at `isStopping` and
  /// ends by itself.
  @discardableResult
  public func spawn(_ name: String, node: Int, daemon: Bool = false, _ body: @escaping () -> Void) -> Int {
    precondition(threadCount < Self.threadLimit, "too many simulated threads")
    let index = threadCount
    let start = UnsafeMutablePointer<ThreadStart>.allocate(capacity: 1)
    start.initialize(to: ThreadStart(scheduler: Unmanaged.passUnretained(self), index: index))
    guard let context = ccoroutine_create(stacks.pool, runThread, start) else {
      preconditionFailure("no memory for the stack of a coroutine")
    }
    (threads + index).initialize(
      to: ThreadState(context: context, node: node, isDaemon: daemon, priority: random.below(1 << 20)))
    names.append(name)
    bodies.append(body)
    threadCount += 1
    unfinishedCount += 1
    if !daemon { liveCount += 1 }
    return index
  }

  /// Runs until every thread has ended.
  public func run() throws(SimulationFailure) {
    if threadCount == 0 { return }
    beginPhase()
    reschedule(mayStay: false)
    bodies.removeAll()
    if let failure { throw SimulationFailure(failure) }
  }

  /// Ends the run: the calling thread found that `text` (a sentence). Never comes back.
  public func fail(_ text: String) -> Never {
    record(text)
    guard current >= 0 else { preconditionFailure(text) }
    leave(to: ccoroutine_host(stacks.pool))
  }

  /// The same, for whoever can go on to a point where the run ends by itself.
  func record(_ text: String) {
    if failure == nil { failure = text + "\n" + whereabouts() }
    log("FAILURE: \(text)")
  }

  @inline(__always)
  public func log(_ line: @autoclosure () -> String) {
    if let trace { trace("\(steps) \(current < 0 ? "-" : names[current]): \(line())") }
  }

  /// Says what the running thread is about, for the dump of a run that is stuck.
  @inline(__always)
  public func note(_ what: StaticString, _ a: Int = -1, _ b: Int = -1) {
    if current >= 0 { threads[current].activity = Activity(what: what, a: a, b: b) }
    idlePausesOfAll = 0
    log("\(what)\(a >= 0 ? " \(a)" : "")\(b >= 0 ? " \(b)" : "")")
  }

  func whereabouts() -> String {
    var lines: [String] = []
    for index in 0..<threadCount where !threads[index].isFinished {
      let each = threads[index]
      let waits = each.pauses > 0 ? "waits" : "runs"
      let here = index == current ? " (current)" : ""
      lines.append("  \(names[index]) \(waits) in \(each.activity)\(here)")
    }
    return (lines + (network?.whereabouts() ?? [])).joined(separator: "\n")
  }
}

/// What a thread is about.
struct Activity: CustomStringConvertible {
  var what: StaticString = "its beginning"
  var a = -1
  var b = -1

  var description: String { "\(what)\(a >= 0 ? " \(a)" : "")\(b >= 0 ? " \(b)" : "")" }
}

/// A thread as the scheduler sees it. Plain data behind a raw pointer: reading it is no access that
/// Swift tracks.
struct ThreadState {
  let context: OpaquePointer
  let node: Int
  let isDaemon: Bool
  var isFinished = false
  /// Pauses since the thread last did anything else.
  var pauses = 0
  var weight = 16
  var priority = 0
  /// The step up to which the thread does not run while others can.
  var stalledUntil = 0
  /// Nesting of critical sections (signals blocked).
  var criticalDepth = 0
  /// The connection whose posting lock the thread holds, -1 for none.
  var openConnection = -1
  var activity = Activity()

  init(context: OpaquePointer, node: Int, isDaemon: Bool, priority: Int) {
    self.context = context
    self.node = node
    self.isDaemon = isDaemon
    self.priority = priority
  }
}

struct ThreadStart {
  let scheduler: Unmanaged<Scheduler>
  let index: Int
}

/// The first frame of a simulated thread.
private func runThread(_ argument: UnsafeMutableRawPointer?) {
  guard let argument else { return }
  let start = argument.assumingMemoryBound(to: ThreadStart.self)
  let (scheduler, index) = (start.pointee.scheduler, start.pointee.index)
  start.deallocate()
  scheduler._withUnsafeGuaranteedRef {
    $0.bodies[index]()
    $0.finish()
  }
}

/// Stacks that outlive a run, so that thousands of runs map none anew. For one thread of the system.
public final class StackPool {
  let pool: OpaquePointer

  /// The stacks are lazily committed; 256 KiB is room for the debug build's frames and for a dump.
  public init() {
    guard let made = ccoroutine_pool_create(256 << 10) else { preconditionFailure("no memory for stacks") }
    pool = made
  }

  deinit { ccoroutine_pool_destroy(pool) }
}
