import Glibc
import Merino
import Synchronization

/// Stops the processes of the other nodes for moments, wherever they happen to be: what lies between two
/// instructions of one node becomes long enough for everything that the others may do there.
final class Jolts: Sendable {
  private let isOver = Mutex(false)
  private let processes: [pid_t]

  /// `processes` are stopped and woken by the calling node only, itself not among them: two that stopped each
  /// other would sleep for ever.
  init(_ processes: [pid_t]) { self.processes = processes }

  /// All nodes call it; runs `body` on all, under jolts by node 0 if `enabled`.
  static func around(_ cluster: Cluster, enabled: Bool, _ body: () -> Void) {
    guard enabled, cluster.nodeCount > 1 else { return body() }
    var own = [UInt64](repeating: 0, count: cluster.nodeCount)
    own[cluster.node] = UInt64(getpid())
    let all = must("share process ids") { [own] () throws(MerinoError) in try cluster.allReduce(own, .sum) }
    guard cluster.node == 0 else { return body() }
    let jolts = Jolts(all.dropFirst().map { pid_t($0) })
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Jolts>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(jolts).toOpaque())
    guard code == 0 else { Failure.report("pthread_create failed with \(code)") }
    body()
    jolts.isOver.withLock { $0 = true }
    pthread_join(thread, nil)
  }

  private func run() {
    var dice = Dice(UInt64(getpid()))
    while !isOver.withLock({ $0 }) {
      let process = dice.pick(processes)
      kill(process, SIGSTOP)
      usleep(UInt32(dice.pick([50, 200, 1000, 4000])))
      kill(process, SIGCONT)
      usleep(UInt32(dice.below(1500)))
    }
  }
}
