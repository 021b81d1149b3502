import ArgumentParser
import Glibc
import Merino

/// A node is killed in the middle of what the others wait for. How the job ends is checked from outside.
struct DeathCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "death", abstract: "Kill the last node in the middle of a storm; the job ends with 137.")

  enum Storm: String, ExpressibleByArgument, CaseIterable {
    case fetch, lock, barrier, move, all
  }

  @Argument(help: "What the nodes do: fetch, lock, barrier, move, or all.")
  var storm: Storm

  @Option(help: "Milliseconds until the kill.")
  var after = 300

  @Flag(help: "Ignore SIGTERM, so that it is the library that ends the nodes, if it can.")
  var ignoreTerm = false

  func run() throws {
    if ignoreTerm { signal(SIGTERM, SIG_IGN) }
    let cluster = must("join") { () throws(MerinoError) in try Cluster.join() }
    let victim = cluster.nodeCount - 1
    let pages = 64
    let (words, lock) = setUp(cluster, pages: pages)
    let started = now()
    // Page faults that cannot be served end the process with 70; calls throw `.peerLost`.
    // In moves the second thread kills, so that the first is in the middle of a barrier.
    let killer = storm == .move ? 1 : 0
    onThreads(storm == .move ? 2 : 1) { [storm, after, address = UInt(bitPattern: words)] thread in
      var storming = Storming(cluster, address, lock, pages, thread: thread)
      while true {
        if cluster.node == victim && thread == killer && milliseconds(since: started) >= after {
          kill(getpid(), SIGKILL)
        }
        do throws(MerinoError) {
          try storming.step(storm)
        } catch {
          if error.code != .peerLost { Failure.report("not peerLost but \(error.description)") }
          Failure.say("node \(cluster.node) ended after \(milliseconds(since: started)) ms: \(error)")
          // The other thread's fault may be waiting at a gate that nobody will open.
          if storm == .move { usleep(200_000) }
          _exit(3)
        }
      }
    }
  }

  private func setUp(_ cluster: Cluster, pages: Int) -> (UnsafeMutablePointer<UInt64>, Lock) {
    must("set up") { () throws(MerinoError) in
      // The victim makes the lock, so its record dies with it.
      var handle: [UInt64] = [0]
      if cluster.node == cluster.nodeCount - 1 { handle = [try cluster.makeLock().handle] }
      if cluster.node == 0 {
        _ = try cluster.createSegment(named: "storm", byteCount: pages * 4096, placement: .cyclic)
      }
      handle = try cluster.allReduce(handle, .sum)
      let view = try cluster.openSegment(named: "storm").attach()
      guard let base = view.baseAddress else { Failure.report("a view without an address") }
      try cluster.barrier()
      return (base.assumingMemoryBound(to: UInt64.self), Lock(handle: handle[0]))
    }
  }
}

/// What one thread does again and again.
private struct Storming {
  let cluster: Cluster
  let words: UnsafeMutablePointer<UInt64>
  let lock: Lock
  let pages: Int
  let thread: Int
  var dice: Dice
  var round = 0

  init(
    _ cluster: Cluster, _ address: UInt, _ lock: Lock, _ pages: Int, thread: Int
  ) {
    self.cluster = cluster
    guard let words = UnsafeMutablePointer<UInt64>(bitPattern: address) else {
      Failure.report("a storm without memory")
    }
    self.words = words
    self.lock = lock
    self.pages = pages
    self.thread = thread
    dice = Dice(UInt64(cluster.node * 2 + thread))
  }

  mutating func step(_ storm: DeathCommand.Storm) throws(MerinoError) {
    round += 1
    switch storm {
    case .fetch:
      touch()
      try cluster.releaseFence()
    case .lock:
      try lock.acquire()
      words[1] += 1
      try lock.release()
    case .barrier: try cluster.barrier()
    case .move: try move()
    case .all:
      try lock.acquire()
      touch()
      try lock.release()
      try cluster.barrier()
    }
  }

  private mutating func touch() {
    for _ in 0..<16 { words[dice.below(pages) * 512 + 8 + cluster.node] = UInt64(round) }
  }

  /// Thread 0: every page gets another home at each barrier. Thread 1: faults all the time.
  private mutating func move() throws(MerinoError) {
    if thread == 0 {
      for page in 0..<pages where (page + round) % cluster.nodeCount == cluster.node {
        words[page * 512] = UInt64(round)
      }
      try cluster.barrier()
    } else {
      // Reads only: a page with a second writer does not move. Racy; only the faults count.
      var sum: UInt64 = 0
      for page in 0..<pages { sum &+= words[page * 512 + dice.below(512)] }
      if sum == .max { Failure.say("never printed; keeps the loads") }
    }
  }
}
