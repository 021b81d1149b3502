import Glibc
import Simulation
import Synchronization

/// Which seed each thread is at, so that a crash and an endless loop can be told with the seed.
final class SeedWatch: @unchecked Sendable {
  private let jobs: Int
  /// Two words a job: the seed + 1, and when it began. Never freed: the crash handler reads it.
  private let words: UnsafeMutablePointer<Atomic<UInt64>>

  init(jobs: Int) {
    self.jobs = jobs
    words = .allocate(capacity: 2 * jobs)
    for index in 0..<2 * jobs { (words + index).initialize(to: Atomic(0)) }
  }

  func began(_ job: Int, _ seed: UInt64) {
    words[2 * job + 1].store(UInt64(time(nil)), ordering: .relaxed)
    words[2 * job].store(seed + 1, ordering: .releasing)
  }

  func ended(_ job: Int) { words[2 * job].store(0, ordering: .releasing) }

  func stuckSeed(afterSeconds limit: Int) -> UInt64? {
    let now = UInt64(time(nil))
    for job in 0..<jobs {
      let seed = words[2 * job].load(ordering: .acquiring)
      if seed != 0, now > words[2 * job + 1].load(ordering: .relaxed) + UInt64(limit) { return seed - 1 }
    }
    return nil
  }

  /// From now on a crash prints the seeds under way before the process ends.
  func install() {
    crashWords = UInt(bitPattern: words)
    crashJobs = jobs
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { signal in reportCrash(signal) }
    action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_ONSTACK
    // A coroutine that ran off its stack has none left for the handler.
    var stack = stack_t()
    stack.ss_size = 64 << 10
    stack.ss_sp = UnsafeMutableRawPointer.allocate(byteCount: stack.ss_size, alignment: 16)
    sigaltstack(&stack, nil)
    for signal in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT, SIGFPE] { sigaction(signal, &action, nil) }
  }
}

nonisolated(unsafe) private var crashWords: UInt = 0
nonisolated(unsafe) private var crashJobs = 0

/// Writes the seeds under way to standard output; on return the signal strikes again and ends the process.
private func reportCrash(_ signal: Int32) {
  guard let words = UnsafeMutablePointer<Atomic<UInt64>>(bitPattern: crashWords) else { return }
  for job in 0..<crashJobs {
    let seed = words[2 * job].load(ordering: .relaxed)
    if seed != 0 { writeLine("crashed while at seed ", seed - 1) }
  }
}

/// Async-signal-safe: no allocation, only write(2).
private func writeLine(_ text: StaticString, _ number: UInt64) {
  _ = write(1, text.utf8Start, text.utf8CodeUnitCount)
  withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 21) { digits in
    var position = 20
    digits[position] = 10
    var left = number
    repeat {
      position -= 1
      digits[position] = 48 + UInt8(left % 10)
      left /= 10
    } while left > 0
    _ = write(1, digits.baseAddress.unsafelyUnwrapped + position, 21 - position)
  }
}
