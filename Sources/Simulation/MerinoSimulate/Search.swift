import Coherence
import Glibc
import Simulation
import Synchronization

/// A range of seeds over several threads of the system; ends at the first failure.
final class Search: Sendable {
  private let seeds: Range<UInt64>
  private let jobs: Int
  private let next: Atomic<UInt64>
  private let running: Atomic<Int>
  private let hasFailed = Atomic<Bool>(false)
  private let totals = Mutex<(steps: Int, counts: [Counter: UInt64])>((0, [:]))
  private let watch: SeedWatch

  /// A seed that takes longer than this never ends: it loops where the scheduler has no say.
  private static let longestSeconds = 60

  init(seeds: Range<UInt64>, jobs: Int) {
    self.seeds = seeds
    self.jobs = jobs
    next = Atomic(seeds.lowerBound)
    running = Atomic(jobs)
    watch = SeedWatch(jobs: jobs)
  }

  /// True where no seed failed.
  func run() -> Bool {
    watch.install()
    let began = time(nil)
    for job in 0..<jobs { start(job) }
    while running.load(ordering: .acquiring) > 0 {
      usleep(20_000)
      if let seed = watch.stuckSeed(afterSeconds: Self.longestSeconds) {
        print("seed \(seed) does not end. Replay it: \(replayCommand(seed))")
        fflush(nil)
        _exit(1)
      }
    }
    let steps = totals.withLock { $0.steps }
    let done = min(next.load(ordering: .relaxed), seeds.upperBound) - seeds.lowerBound
    print("\(done) seeds, \(steps) steps, \(time(nil) - began) s: \(isClean ? "nothing wrong." : "FAILED.")")
    return isClean
  }

  private var isClean: Bool { !hasFailed.load(ordering: .acquiring) }

  func printCounts() {
    let counts = totals.withLock { $0.counts }
    for counter in Counter.allCases { print("\(counter): \(counts[counter, default: 0])") }
  }

  private func start(_ job: Int) {
    let box = Unmanaged.passRetained(SearchJob(search: self, number: job))
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let job = Unmanaged<SearchJob>.fromOpaque(argument).takeRetainedValue()
        job.search.work(job.number)
        return nil
      }, box.toOpaque())
    if error != 0 {
      print("could not start a thread: \(String(cString: strerror(error))).")
      _exit(1)
    }
    pthread_detach(thread)
  }

  private func work(_ job: Int) {
    let simulation = Simulation()
    while isClean {
      let seed = next.wrappingAdd(1, ordering: .relaxed).oldValue
      if seed >= seeds.upperBound { break }
      watch.began(job, seed)
      do {
        try simulation.run(seed: seed)
      } catch {
        if !hasFailed.exchange(true, ordering: .acquiringAndReleasing) {
          print("seed \(seed) failed. Replay it: \(replayCommand(seed))\n\(error.description)")
        }
      }
    }
    watch.ended(job)
    totals.withLock { totals in
      totals.steps += simulation.steps
      totals.counts.merge(simulation.counts, uniquingKeysWith: +)
    }
    running.wrappingSubtract(1, ordering: .releasing)
  }
}

/// What a thread of a search is given.
private final class SearchJob: Sendable {
  let search: Search
  let number: Int

  init(search: Search, number: Int) {
    self.search = search
    self.number = number
  }
}
