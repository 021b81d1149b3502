import BenchmarkSupport
import Merino
import VerbsFloor

/// A lock that nobody else wants.
struct FreeLock {
  private let job: BenchmarkJob
  private let lock: Lock
  private let sampleCount: Int
  /// Bytes of a clock, a word a node.
  private let clockByteCount: Int

  private var acquires: [UInt64] = []
  private var cycles: [UInt64] = []
  private var plainAcquires: [UInt64] = []
  private var plainReleases: [UInt64] = []

  init(_ job: BenchmarkJob, _ lock: Lock) {
    self.job = job
    self.lock = lock
    sampleCount = job.options.blockCount(default: 1000)
    clockByteCount = job.cluster.nodeCount * 8
  }

  func warmUp() throws {
    try job.alone {
      for _ in 0..<job.options.warmUpCount {
        try lock.acquire()
        try lock.release()
      }
    }
  }

  mutating func block() throws {
    try job.alone {
      for _ in 0..<sampleCount {
        let began = Clock.now()
        try lock.acquire()
        let taken = Clock.now()
        try lock.release()
        cycles.append(Clock.now() - began)
        acquires.append(taken - began)
      }
      guard let end = job.floor.end else { return }
      plainAcquires += try end.times(
        .compareAndSwapAndRead(byteCount: clockByteCount), count: sampleCount
      ).total
      plainReleases += try end.times(.writeAndCompareAndSwap(byteCount: clockByteCount), count: sampleCount)
        .total
    }
  }

  func series() throws -> [Series] {
    var acquireFloor: [FloorPart?] = []
    var cycleFloor: [FloorPart?] = []
    if !plainAcquires.isEmpty {
      let acquire = FloorPart(
        "\(PlainOperation.compareAndSwapAndRead(byteCount: clockByteCount))", nanoseconds: plainAcquires)
      let release = FloorPart(
        "\(PlainOperation.writeAndCompareAndSwap(byteCount: clockByteCount))", nanoseconds: plainReleases)
      acquireFloor = [acquire]
      cycleFloor = [acquire, release]
    }
    return [
      try job.latency("acquire", byteCount: clockByteCount, acquires, floor: acquireFloor),
      try job.latency("acquire and release", byteCount: clockByteCount, cycles, floor: cycleFloor),
    ]
  }
}
