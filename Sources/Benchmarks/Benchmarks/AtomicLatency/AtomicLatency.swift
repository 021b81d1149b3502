import ArgumentParser
import BenchmarkSupport
import Merino
import VerbsFloor

/// Node 1 works on a word that node 0 is home of.
struct AtomicLatency: BenchmarkCommand {
  static let name = "atomic-lat"
  static let configuration = CommandConfiguration(
    commandName: calledAs,
    abstract: "Latency of atomics on a word of shared memory whose home is another node.",
    discussion: """
      Start it as a job of two nodes: merino run -n 2 -- \(calledAs)
      -s is the size of the word in bytes, 4 or 8 (8), -n the samples (1000). See docs/benchmarks.md.
      """)

  @OptionGroup var common: CommonOptions

  func validate() throws { _ = try wordByteCount() }

  private func wordByteCount() throws -> Int {
    let size = try common.size(default: 8, in: 4...8)
    guard size == 4 || size == 8 else {
      throw ValidationError("The size (-s) of an atomic's word is 4 or 8 bytes, not \(size).")
    }
    return size
  }

  func run() throws {
    let isLong = try wordByteCount() == 8
    try BenchmarkJob.run(Self.self, common, messageByteCount: 64) { job in
      isLong ? try measure(job, UInt64.self) : try measure(job, UInt32.self)
    }
  }

  private func measure<T: SharedAtomicValue>(_ job: BenchmarkJob, _: T.Type) throws -> [Series] {
    let cluster = job.cluster
    let word = try HomePages(job, pageByteCount: 4096, pageCount: 1).base.assumingMemoryBound(to: T.self)
    try job.atHome { word.pointee = 0 }
    let count = common.blockCount(default: 1000)
    var added: T = 0
    var times = Array(repeating: [UInt64](), count: 3)
    var plain = times
    let operations: [PlainOperation] = [.fetchAdd, .compareAndSwap, .read(byteCount: 8)]
    func steps(_ count: Int) throws -> [[UInt64]] {
      let adds = try Clock.times(count: count) { _ in _ = try cluster.atomicFetchAdd(word, 1) }
      added += T(truncatingIfNeeded: count)
      let swaps = try Clock.times(count: count) { _ in
        _ = try cluster.atomicCompareExchange(word, expected: added, desired: added)
      }
      return [adds, swaps, try Clock.times(count: count) { _ in _ = try cluster.atomicLoad(word) }]
    }
    try job.alone { _ = try steps(job.options.warmUpCount) }
    try job.blocksAlone { _ in
      for (index, samples) in try steps(count).enumerated() { times[index] += samples }
      guard let end = job.floor.end else { return }
      for index in operations.indices { plain[index] += try end.times(operations[index], count: count).total }
    }
    guard job.isMeasuring else { return [] }
    let counted = try cluster.atomicLoad(word)
    guard counted == added else { throw ValidationError("the word is \(counted) after adding \(added).") }
    return try zip(["fetch-and-add", "compare-and-swap", "load"], operations.indices).map { name, index in
      let floor =
        plain[index].isEmpty ? [] : [FloorPart("\(operations[index])", nanoseconds: plain[index])]
      return try job.latency(name, byteCount: MemoryLayout<T>.size, times[index], floor: floor)
    }
  }
}
