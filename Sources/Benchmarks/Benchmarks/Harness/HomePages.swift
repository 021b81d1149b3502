import BenchmarkSupport
import Merino

/// Memory whose pages node 0 is home of, beginning at a chunk's border.
struct HomePages {
  /// The first page's first byte.
  let base: UnsafeMutableRawPointer
  /// Bytes of a coherence unit.
  let pageByteCount: Int
  /// How many pages.
  let pageCount: Int

  /// Collective: makes and attaches the memory.
  init(_ job: BenchmarkJob, pageByteCount: Int, pageCount: Int) throws {
    self.pageByteCount = pageByteCount
    self.pageCount = pageCount
    let chunk = BenchmarkJob.chunkByteCount
    var made: Segment?
    if job.cluster.node == 0 {
      made = try job.cluster.createSegment(
        named: job.name, byteCount: pageByteCount * pageCount + chunk, unitByteCount: pageByteCount,
        placement: .node(0))
    }
    try job.cluster.barrier()
    let segment = try made ?? job.cluster.openSegment(named: job.name)
    let view = try segment.attach()
    try job.cluster.barrier()
    // Less than a chunk further: within the segment, which is a chunk longer than the pages.
    let skipped = (chunk - segment.globalAddress % chunk) % chunk
    base = view.baseAddress.unsafelyUnwrapped + skipped
  }

  /// The address of a page's first byte.
  func address(_ page: Int) -> UnsafeMutableRawPointer { base + page * pageByteCount }

  /// Some of the pages, for a `PageReader`.
  func reader(from first: Int) -> PageReader {
    PageReader(base: UnsafeRawPointer(address(first)), pageByteCount: pageByteCount)
  }

  /// Writes what a reader expects of `round` into `count` pages.
  func write(from first: Int, count: Int, round: Int) {
    for page in 0..<count {
      address(first + page).storeBytes(
        of: PageReader.contents(page: page, round: round), as: UInt8.self)
    }
  }

  /// Loads a byte of each of `count` pages.
  func touch(from first: Int, count: Int) {
    for page in 0..<count { blackHole(address(first + page).load(as: UInt8.self)) }
  }
}

/// Keeps a load alive.
@inline(never)
@_optimize(none)
func blackHole(_ value: UInt8) {}
