import ArgumentParser
import Glibc
import Merino

/// Random race-free programs, one seed after the other in one job.
struct RandomCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "random",
    abstract: "Random data-race-free programs; what is read is checked against the seed.")

  @Option(help: "The first seed.")
  var first: UInt64 = 1

  @Option(help: "Seeds to run.")
  var count: UInt64 = 50

  @Option(help: "Threads of a node; by the seed where not given.")
  var threads: Int?

  @Option(help: "Stop after this many seconds.")
  var seconds: Int?

  @Flag(help: "Print each seed as it begins, on node 0.")
  var verbose = false

  @Flag(help: "Fail where no log overflowed; for runs with a small MERINO_LOG_ENTRIES.")
  var expectOverflows = false

  @Flag(help: "Stop the other nodes' processes for moments all the time.")
  var jolts = false

  func run() throws {
    let cluster = must("join") { () throws(MerinoError) in try Cluster.join() }
    let started = now()
    var done: UInt64 = 0
    Jolts.around(cluster, enabled: jolts) { done = runSeeds(cluster, started) }
    summarise(cluster, done, milliseconds(since: started))
    must("finalize") { () throws(MerinoError) in try cluster.finalize() }
  }

  /// Returns how many seeds were run.
  private func runSeeds(_ cluster: Cluster, _ started: UInt64) -> UInt64 {
    var done: UInt64 = 0
    while done < count {
      let seed = first + done
      let log = getenv("MERINO_LOG_ENTRIES").map { "MERINO_LOG_ENTRIES=\(String(cString: $0)) " } ?? ""
      let plan = Plan(seed: seed, nodeCount: cluster.nodeCount, threadCount: threads)
      let option = (threads.map { " --threads \($0)" } ?? "") + (jolts ? " --jolts" : "")
      let replay = "\(log)merino run -n \(cluster.nodeCount) -- MerinoStress random --first \(seed)\(option)"
      if verbose && cluster.node == 0 { Failure.say("seed \(seed)") }
      RandomNode(cluster, plan, replay: replay).run()
      done += 1
      guard let seconds else { continue }
      // Node 0's clock decides for all.
      var stop: [UInt64] = [cluster.node == 0 && milliseconds(since: started) > seconds * 1000 ? 1 : 0]
      stop = must("agree on going on") { [stop] () throws(MerinoError) in
        try cluster.allReduce(stop, .maximum)
      }
      if stop[0] != 0 { break }
    }
    return done
  }

  /// A run that found no false sharing, no move and no overflow has tested less than it seems.
  private func summarise(_ cluster: Cluster, _ done: UInt64, _ time: Int) {
    let s = cluster.statistics
    let mine: [UInt64] = [
      s.readFaults, s.writeFaults, s.diffsSent, s.invalidations, s.logOverflows, s.exclusivePages,
      s.migrationsIn,
      s.locksLocal, s.locksRemote, s.atomics,
    ]
    let names = [
      "read faults", "write faults", "diffs", "invalidations", "overflows", "exclusive", "moves",
      "local hand-overs",
      "remote locks", "atomics",
    ]
    let all = must("add up") { () throws(MerinoError) in try cluster.allReduce(mine, .sum) }
    guard cluster.node == 0 else { return }
    if expectOverflows && all[4] == 0 { Failure.report("no log overflowed, so nothing of that was tested") }
    let text = zip(names, all).map { "\($0) \($1)" }.joined(separator: ", ")
    Failure.say(
      "PASS random: \(done) seeds from \(first) on \(cluster.nodeCount) nodes in \(time) ms: \(text)")
  }
}
