import ArgumentParser
import BenchmarkSupport
import Glibc
import Merino

/// Node 1 reads pages that node 0 has written, one page fault each; beside it the floor of the same machine, in
/// the same run.
struct FetchLatency: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merino-fetch-lat",
    abstract: "Latency of fetching a page on a page fault, against the floor of this machine.",
    discussion: """
      Start it as a job of two nodes: merino run -n 2 -- merino-fetch-lat
      First touch: pages that node 1 has never read. Refetch: pages that it has read, and that node 0 has
      written since. The floor is SIGSEGV, copy and mprotect in plain C.
      """)

  @Option(name: [.customShort("s"), .customLong("size")], help: "Bytes of a page.")
  var pageByteCount = 4096

  @Option(name: [.customShort("n"), .customLong("iterations")], help: "Pages to read, at least 3.")
  var pageCount = 2000

  @Option(help: "Seed of the random order.")
  var seed: UInt64 = 1

  @Option(help: "File for the report in JSON.")
  var json: String?

  func validate() throws {
    guard pageByteCount >= 4096, pageByteCount & (pageByteCount - 1) == 0, pageByteCount <= 2 << 20 else {
      throw ValidationError("The size of a page is a power of two from 4096 to 2097152.")
    }
    guard (3...1_000_000).contains(pageCount) else {
      throw ValidationError("The number of pages lies between 3 and 1,000,000.")
    }
  }

  func run() throws {
    let cluster = try Cluster.join()
    guard cluster.nodeCount >= 2 else {
      try cluster.finalize()
      throw ValidationError("It takes two nodes: merino run -n 2 -- merino-fetch-lat")
    }
    let pages = try SharedPages(cluster, pageByteCount: pageByteCount, pageCount: pageCount)
    let report = try measure(cluster, pages)
    try cluster.barrier()
    if cluster.node == 1 {
      print(report.text, terminator: "")
      if let json { try write(report.json.description + "\n", to: json) }
    }
    try cluster.finalize()
  }

  private func measure(_ cluster: Cluster, _ pages: SharedPages) throws -> FetchReport {
    // Scattered: in a plain random order a few pages in a hundred happen to be read ahead, and take no fault.
    let random = PageOrder.scattered(count: pageCount, seed: seed)
    // Every round: node 0 writes all pages, a barrier, node 1 reads them, a barrier. Round 1 warms up.
    let first = try pages.round(0, order: random)
    _ = try pages.round(1, order: random)
    let refetch = try pages.round(2, order: random)
    // The mean of a round suffers from every pause of the machine: the median of several rounds.
    let inOrder = PageOrder.sequential(count: pageCount)
    let sequential = try (3..<8).map { round in
      Double(try pages.round(round, order: inOrder).reduce(0, +)) / Double(pageCount)
    }.sorted()
    guard cluster.node == 1 else {
      return FetchReport(pageByteCount: pageByteCount, series: [], sequentialNanosecondsPerPage: nil)
    }
    let series = try [
      ("first touch", first, FaultFloor.Frames.empty), ("refetch", refetch, .resident),
    ].map { name, times, frames in
      let floor = try FaultFloor.measure(order: random, pageByteCount: pageByteCount, frames: frames)
      guard let fetches = LatencyStatistics(nanoseconds: times),
        let floors = LatencyStatistics(nanoseconds: floor)
      else { throw ValidationError("too few samples") }
      return FetchSeries(name: name, fetches: fetches, floor: floors)
    }
    return FetchReport(
      pageByteCount: pageByteCount, series: series,
      sequentialNanosecondsPerPage: sequential[sequential.count / 2])
  }

  private func write(_ text: String, to path: String) throws {
    guard let file = fopen(path, "w") else {
      throw ValidationError("could not write \(path): \(String(cString: strerror(errno))).")
    }
    fputs(text, file)
    guard fclose(file) == 0 else {
      throw ValidationError("could not write \(path): \(String(cString: strerror(errno))).")
    }
  }
}

/// The pages of the benchmark, homed at node 0.
struct SharedPages {
  private let cluster: Cluster
  private let memory: UnsafeMutableRawBufferPointer
  private let pageByteCount: Int
  private let pageCount: Int

  init(_ cluster: Cluster, pageByteCount: Int, pageCount: Int) throws {
    self.cluster = cluster
    self.pageByteCount = pageByteCount
    self.pageCount = pageCount
    let name = "merino-fetch-lat"
    var made: Segment?
    if cluster.node == 0 {
      made = try cluster.createSegment(
        named: name, byteCount: pageByteCount * pageCount, unitByteCount: pageByteCount, placement: .node(0))
    }
    try cluster.barrier()
    memory = try (made ?? cluster.openSegment(named: name)).attach()
    try cluster.barrier()
  }

  /// Node 0 writes all pages, node 1 reads them in `order`. Nanoseconds of each read at node 1; the
  /// contents are checked.
  func round(_ round: Int, order: [UInt32]) throws -> [UInt64] {
    if cluster.node == 0 {
      for page in 0..<pageCount {
        let byte = PageReader.contents(page: page, round: round)
        memory[page * pageByteCount] = byte
      }
    }
    try cluster.barrier()
    var times: [UInt64] = []
    if cluster.node == 1, let base = memory.baseAddress {
      let reader = PageReader(base: UnsafeRawPointer(base), pageByteCount: pageByteCount)
      times = try reader.times(order: order, round: round)
    }
    try cluster.barrier()
    return times
  }
}

FetchLatency.main()
