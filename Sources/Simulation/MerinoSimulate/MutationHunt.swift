import Coherence
import Glibc
import Simulation

/// Each mutation in a process of its own: a broken protocol may well crash or loop. Finding one is a failing
/// run.
struct MutationHunt {
  let seeds: Range<UInt64>
  let jobs: Int

  /// True where every mutation was found.
  func run() -> Bool {
    var waiting = Mutation.allCases.reversed() as [Mutation]
    var running: [pid_t: (mutation: Mutation, began: Int)] = [:]
    var missed: [Mutation] = []
    while !waiting.isEmpty || !running.isEmpty {
      while running.count < jobs, let mutation = waiting.popLast() {
        running[start(mutation)] = (mutation, time(nil))
      }
      var status: Int32 = 0
      let ended = waitpid(-1, &status, 0)
      guard let (mutation, began) = running.removeValue(forKey: ended) else { continue }
      // Exit code 1 is a failing seed; killed by a signal, a crash. Anything else found nothing.
      let isFound = status & 0x7F != 0 || status >> 8 & 0xFF == 1
      if !isFound { missed.append(mutation) }
      print("\(mutation): \(isFound ? "found" : "NOT FOUND") in \(time(nil) - began) s")
      fflush(nil)
    }
    if !missed.isEmpty {
      print("Not found within \(seeds.count) seeds: \(missed.map { "\($0)" }.joined(separator: ", ")).")
    }
    return missed.isEmpty
  }

  private func start(_ mutation: Mutation) -> pid_t {
    let range = "\(seeds.lowerBound)..<\(seeds.upperBound)"
    let words = [CommandLine.arguments[0], "--mutation", "\(mutation)", "--seeds", range]
    var arguments = words.map { strdup($0) } + [nil]
    defer { for each in arguments { free(each) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    var child = pid_t()
    let error = posix_spawn(&child, "/proc/self/exe", &actions, nil, &arguments, environ)
    if error != 0 {
      print("could not start a process: posix_spawn said \(String(cString: strerror(error))).")
      _exit(1)
    }
    return child
  }
}
