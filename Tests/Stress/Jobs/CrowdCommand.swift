import ArgumentParser
import Merino

/// More nodes than cores: nothing may wait so that it keeps those from running that it waits for.
struct CrowdCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "crowd",
    abstract: "Locks, barriers and work on more nodes than cores; prints how long each took.")

  @Option(help: "Barriers, and turns of each node at the lock.")
  var rounds = 100

  @Option(help: "Fail where a part takes longer, in milliseconds.")
  var limit = 20_000

  func run() throws {
    let cluster = must("join") { () throws(MerinoError) in try Cluster.join() }
    let words = must("allocate") { () throws(MerinoError) in
      try cluster.collectiveAllocate(byteCount: 4096 * (cluster.nodeCount + 1))
    }.assumingMemoryBound(to: UInt64.self)
    var handles: [UInt64] = [0, 0]
    if cluster.node == 0 {
      handles = must("make objects") { () throws(MerinoError) in
        [try cluster.makeLock().handle, try cluster.makeBarrier(participants: cluster.nodeCount).handle]
      }
    }
    handles = must("share") { [handles] () throws(MerinoError) in try cluster.allReduce(handles, .sum) }
    let lock = Lock(handle: handles[0])
    let counting = Barrier(handle: handles[1])

    part(cluster, "\(rounds) barriers") { () throws(MerinoError) in
      for _ in 0..<rounds { try cluster.barrier() }
    }
    part(cluster, "\(rounds) counting barriers") { () throws(MerinoError) in
      for _ in 0..<rounds { try counting.wait() }
    }
    part(cluster, "\(rounds) turns of each at a lock") { () throws(MerinoError) in
      for _ in 0..<rounds {
        try lock.acquire()
        words[0] += 1
        try lock.release()
      }
    }
    part(cluster, "\(rounds) rounds of own pages and a barrier") { () throws(MerinoError) in
      let next = (cluster.node + 1) % cluster.nodeCount
      for round in 1...rounds {
        for index in 0..<512 { words[512 * (cluster.node + 1) + index] = UInt64(round * 1000 + index) }
        try cluster.barrier()
        for index in 0..<512 where words[512 * (next + 1) + index] != UInt64(round * 1000 + index) {
          Failure.report("node \(cluster.node) found \(words[512 * (next + 1) + index]) in round \(round)")
        }
        try cluster.barrier()
      }
    }
    passThroughBuffer(cluster, words + 64, lock)
    if words[0] != UInt64(rounds * cluster.nodeCount) { Failure.report("the counter is \(words[0])") }
    must("barrier") { () throws(MerinoError) in try cluster.barrier() }
    if cluster.node == 0 { Failure.say("PASS crowd") }
    must("finalize") { () throws(MerinoError) in try cluster.finalize() }
  }

  /// Even nodes put numbers into a buffer of four, odd nodes take them out; they wait by conditions.
  private func passThroughBuffer(_ cluster: Cluster, _ buffer: UnsafeMutablePointer<UInt64>, _ lock: Lock) {
    var handles: [UInt64] = [0, 0]
    if cluster.node == 0 {
      handles = must("make conditions") { () throws(MerinoError) in
        [try cluster.makeCondition().handle, try cluster.makeCondition().handle]
      }
    }
    handles = must("share") { [handles] () throws(MerinoError) in try cluster.allReduce(handles, .sum) }
    let (notFull, notEmpty) = (Condition(handle: handles[0]), Condition(handle: handles[1]))
    let total = UInt64((cluster.nodeCount + 1) / 2 * rounds)
    // Words 0 and 1: how many were put in and taken out; 2: their sum so far; 8 to 11: the numbers.
    part(cluster, "\(total) numbers through a buffer of 4") { () throws(MerinoError) in
      for round in 0..<rounds where cluster.node % 2 == 0 {
        try lock.acquire()
        while buffer[0] - buffer[1] == 4 { try notFull.wait(with: lock) }
        buffer[8 + Int(buffer[0] % 4)] = UInt64(round + 1)
        buffer[0] += 1
        try notEmpty.signal()
        try lock.release()
      }
      while cluster.node % 2 == 1 {
        try lock.acquire()
        while buffer[0] == buffer[1] && buffer[1] < total { try notEmpty.wait(with: lock) }
        let isOver = buffer[1] == total
        if !isOver {
          buffer[2] += buffer[8 + Int(buffer[1] % 4)]
          buffer[1] += 1
          try notFull.signal()
          if buffer[1] == total { try notEmpty.broadcast() }
        }
        try lock.release()
        if isOver { break }
      }
    }
    let sum = UInt64((cluster.nodeCount + 1) / 2) * UInt64(rounds * (rounds + 1) / 2)
    if buffer[2] != sum { Failure.report("the numbers add up to \(buffer[2]), not \(sum)") }
  }

  private func part(_ cluster: Cluster, _ name: String, _ body: () throws(MerinoError) -> Void) {
    must("barrier") { () throws(MerinoError) in try cluster.barrier() }
    let start = now()
    must(name, body)
    must("barrier") { () throws(MerinoError) in try cluster.barrier() }
    let time = milliseconds(since: start)
    if cluster.node == 0 { Failure.say("  \(cluster.nodeCount) nodes, \(name): \(time) ms") }
    if time > limit { Failure.report("\(name) took \(time) ms") }
  }
}
