import ArgumentParser
import Glibc
import Merino

/// Segments are written by two nodes and freed while other threads of these nodes are in barriers, between
/// the moment at which their node has told what it changed and the moment at which it forgets the pages.
struct RetireCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retire", abstract: "Free segments in the middle of barriers; at least 2 nodes.")

  @Option(help: "Segments to free.")
  var rounds = 150

  func run() throws {
    let cluster = must("join") { () throws(MerinoError) in try Cluster.join() }
    var handle: [UInt64] = [0]
    if cluster.node == 0 {
      handle = must("make a barrier") { () throws(MerinoError) in
        [try cluster.makeBarrier(participants: 2).handle]
      }
    }
    handle = must("share") { [handle] () throws(MerinoError) in try cluster.allReduce(handle, .sum) }
    let meeting = Barrier(handle: handle[0])
    onThreads(cluster.node < 2 ? 2 : 1) { [rounds] thread in
      if thread == 1 {
        for round in 0..<rounds { Self.useAndFree(cluster, meeting, round) }
      } else {
        for _ in 0..<rounds * 2 {
          // Node 0 comes late, so that node 1 waits in the barrier meanwhile.
          if cluster.node == 0 { usleep(1500) }
          must("barrier") { () throws(MerinoError) in try cluster.barrier() }
        }
      }
    }
    if cluster.node == 0 { Failure.say("PASS retire") }
    must("finalize") { () throws(MerinoError) in try cluster.finalize() }
  }

  private static func useAndFree(_ cluster: Cluster, _ meeting: Barrier, _ round: Int) {
    let name = "retire-\(round)"
    must("use and free a segment") { () throws(MerinoError) in
      // Two chunks, so that its shape is forgotten in two steps.
      var segment = cluster.node == 0 ? try cluster.createSegment(named: name, byteCount: 3 << 20) : nil
      try meeting.wait()
      if segment == nil { segment = try cluster.openSegment(named: name) }
      guard let segment, let base = try segment.attach().baseAddress else { Failure.report("no segment") }
      let words = base.assumingMemoryBound(to: UInt64.self)
      for turn in 0..<2 {
        for page in 0..<8 where cluster.node == turn {
          let expected: UInt64 = turn == 0 ? 0 : UInt64(round + 1)
          if words[page * 512] != expected || words[page * 512 + 1] != 0 {
            Failure.report("a page used again has \(words[page * 512]), \(words[page * 512 + 1])")
          }
          words[page * 512 + turn] = UInt64(round + 1)
        }
        try meeting.wait()
      }
      try cluster.detach(base)
      if cluster.node == 0 { try segment.destroy() }
    }
  }
}
