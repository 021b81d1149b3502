import Glibc
import Merino

struct StopTest {
  static let pageCount = 256
  static let rounds = 200

  let cluster: Cluster
  let limitMilliseconds: Int
  let victim: Int
  let victimProcess: pid_t
  /// Cyclic: the victim is home of every n-th page. Odd pages are written before the stop, even ones never.
  let cyclic: UnsafeMutablePointer<UInt64>
  /// First touch, written by the victim before the stop.
  let written: UnsafeMutablePointer<UInt64>
  /// First touch, not written before the stop; directory words are at all nodes in turn.
  let untouched: UnsafeMutablePointer<UInt64>
  let untouchedPageCount: Int
  let lock: Lock
  let event: Event
  let others: Barrier
  let block: UnsafeMutablePointer<UInt64>
  static let blockWords = 5000

  private static func words(
    _ cluster: Cluster, _ name: String, pages: Int, _ placement: Placement
  ) -> UnsafeMutablePointer<UInt64> {
    must("set up \(name)") { () throws(MerinoError) in
      if cluster.node == 0 {
        _ = try cluster.createSegment(named: name, byteCount: pages * 4096, placement: placement)
      }
      try cluster.barrier()
      let view = try cluster.openSegment(named: name).attach()
      guard let base = view.baseAddress else { Failure.report("a view without an address") }
      return base.assumingMemoryBound(to: UInt64.self)
    }
  }

  init(_ cluster: Cluster, limitMilliseconds: Int) {
    self.cluster = cluster
    self.limitMilliseconds = limitMilliseconds
    victim = cluster.nodeCount - 1
    let isVictim = cluster.node == victim
    untouchedPageCount = 64 * cluster.nodeCount * 2
    let cyclic = Self.words(cluster, "cyclic", pages: Self.pageCount, .cyclic)
    let written = Self.words(cluster, "written", pages: Self.pageCount, .firstTouch)
    untouched = Self.words(cluster, "untouched", pages: untouchedPageCount, .firstTouch)
    var shared: [UInt64] = [0, 0, 0, 0, 0]
    must("set up") { () throws(MerinoError) in
      if isVictim {
        let block = try cluster.allocate(byteCount: Self.blockWords * 8)
        let words = block.assumingMemoryBound(to: UInt64.self)
        for index in 0..<Self.blockWords { words[index] = Hash.mix(1, index) }
        shared = [
          UInt64(getpid()), try cluster.makeLock().handle, try cluster.makeEvent().handle, 0,
          UInt64(UInt(bitPattern: block)),
        ]
        for page in 0..<Self.pageCount { written[page * 512] = Hash.mix(2, page) }
        for page in 0..<Self.pageCount where page % 2 == 1 { cyclic[page * 512] = Hash.mix(3, page) }
      } else if cluster.node == 0 {
        shared[3] = try cluster.makeBarrier(participants: cluster.nodeCount - 1).handle
      }
      shared = try cluster.allReduce(shared, .sum)
    }
    self.cyclic = cyclic
    self.written = written
    victimProcess = pid_t(shared[0])
    lock = Lock(handle: shared[1])
    event = Event(handle: shared[2])
    others = Barrier(handle: shared[3])
    guard let block = UnsafeMutablePointer<UInt64>(bitPattern: UInt(shared[4])) else {
      Failure.report("no block")
    }
    self.block = block
  }

  func run() {
    must("barrier") { () throws(MerinoError) in try cluster.barrier() }
    if cluster.node == victim {
      waitToBeStopped()
    } else {
      withVictimStopped()
    }
    must("barrier") { () throws(MerinoError) in try cluster.barrier() }
    checkAfterwards()
    must("barrier") { () throws(MerinoError) in try cluster.barrier() }
    if cluster.node == 0 { Failure.say("PASS stop") }
  }

  /// Stops itself, between two calls of the library: so it holds no lock that others wait for.
  private func waitToBeStopped() {
    raise(SIGSTOP)
  }

  private func meet() { must("meet") { () throws(MerinoError) in try others.wait() } }

  private func withVictimStopped() {
    ProcessState.wait(victimProcess, until: "T")
    meet()
    let start = now()
    step("fetched its pages", fetchWritten)
    step("fetched and claimed pages never touched, diffs to it", useCyclic)
    step("claimed pages by its directory words", claim)
    step("took its lock", contend)
    step("used its blocks", useHeap)
    step("waited for its event", passEvent)
    step("added by atomics", addAtomics)
    if ProcessState.of(victimProcess) != "T" { Failure.report("the stopped node is not stopped any more") }
    if milliseconds(since: start) > limitMilliseconds {
      Failure.report("the others were slow beside a stopped node")
    }
    meet()
    if cluster.node == 0 { kill(victimProcess, SIGCONT) }
  }

  private func step(_ what: String, _ body: () -> Void) {
    let start = now()
    body()
    meet()
    if cluster.node == 0 { Failure.say("  \(what): \(milliseconds(since: start)) ms") }
  }

  private func expect(_ found: UInt64, _ expected: UInt64, _ what: String) {
    if found != expected {
      Failure.report("node \(cluster.node) found \(found), not \(expected), in \(what)")
    }
  }

  private func fetchWritten() {
    for page in 0..<Self.pageCount { expect(written[page * 512], Hash.mix(2, page), "a page of the victim") }
  }

  /// Node n writes word n + 1 of each page, then checks its neighbour's.
  private func useCyclic() {
    for page in 0..<Self.pageCount {
      expect(cyclic[page * 512], page % 2 == 1 ? Hash.mix(3, page) : 0, "a cyclic page")
      cyclic[page * 512 + cluster.node + 1] = Hash.mix(4, page, cluster.node)
    }
    meet()
    let neighbour = (cluster.node + 1) % victim
    for page in 0..<Self.pageCount {
      expect(cyclic[page * 512 + neighbour + 1], Hash.mix(4, page, neighbour), "a neighbour's word")
    }
  }

  private func claim() {
    for page in 0..<untouchedPageCount where page % victim == cluster.node {
      untouched[page * 512] = Hash.mix(5, page)
    }
    meet()
    for page in 0..<untouchedPageCount { expect(untouched[page * 512], Hash.mix(5, page), "a claimed page") }
  }

  /// A counter in a page of the victim's, under a lock whose record is at the victim.
  private func contend() {
    for _ in 0..<Self.rounds {
      must("take the lock") { () throws(MerinoError) in try lock.acquire() }
      written[1] += 1
      must("release the lock") { () throws(MerinoError) in try lock.release() }
    }
  }

  private func useHeap() {
    for index in 0..<Self.blockWords { expect(block[index], Hash.mix(1, index), "the victim's block") }
    meet()
    if cluster.node == 0 {
      must("free") { () throws(MerinoError) in try cluster.free(UnsafeMutableRawPointer(block)) }
    }
    for round in 0..<50 {
      let count = 1 + Int(Hash.mix(6, round, cluster.node) % 3000)
      must("use the heap") { () throws(MerinoError) in
        let new = try cluster.allocateZeroed(byteCount: count)
        for offset in 0..<count {
          expect(UInt64(new.load(fromByteOffset: offset, as: UInt8.self)), 0, "zeros")
        }
        new.storeBytes(of: 1, as: UInt8.self)
        try cluster.free(new)
      }
    }
  }

  private func passEvent() {
    must("use the event") { () throws(MerinoError) in
      if cluster.node == 0 { try event.set() } else { try event.wait() }
    }
  }

  private func addAtomics() {
    for _ in 0..<Self.rounds {
      must("add") { () throws(MerinoError) in _ = try cluster.atomicFetchAdd(written + 2, 1) }
    }
  }

  /// By everybody, the node that was stopped as well.
  private func checkAfterwards() {
    expect(written[1], UInt64(Self.rounds * victim), "the counter under the lock")
    expect(written[2], UInt64(Self.rounds * victim), "the atomic counter")
    for page in 0..<Self.pageCount {
      expect(cyclic[page * 512], page % 2 == 1 ? Hash.mix(3, page) : 0, "a cyclic page")
      for node in 0..<victim {
        expect(
          cyclic[page * 512 + node + 1], Hash.mix(4, page, node), "a word written beside the stopped node")
      }
    }
    for page in 0..<untouchedPageCount { expect(untouched[page * 512], Hash.mix(5, page), "a claimed page") }
  }
}
