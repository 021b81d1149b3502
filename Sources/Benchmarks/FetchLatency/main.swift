import ArgumentParser
import BenchmarkSupport

/// The floor is measured here; the fetches join it with the library's interface.
struct FetchLatency: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merino-fetch-lat",
    abstract: "Latency of fetching a page on a page fault, against the floor of this machine.",
    discussion: "So far it measures the floor alone: SIGSEGV, copy and mprotect in plain C.")

  @Option(name: [.customShort("s"), .customLong("size")], help: "Bytes of a page.")
  var pageByteCount = 4096

  @Option(name: [.customShort("n"), .customLong("iterations")], help: "Pages to read, at least 3.")
  var pageCount = 2000

  @Option(help: "Seed of the random order.")
  var seed: UInt64 = 1

  func validate() throws {
    guard pageByteCount >= 4096, pageByteCount & (pageByteCount - 1) == 0 else {
      throw ValidationError("The size of a page is a power of two, at least 4096.")
    }
    guard (3...1_000_000).contains(pageCount) else {
      throw ValidationError("The number of pages lies between 3 and 1,000,000.")
    }
  }

  func run() throws {
    let order = PageOrder.random(count: pageCount, seed: seed)
    for (name, frames) in [("empty", FaultFloor.Frames.empty), ("resident", .resident)] {
      let times = try FaultFloor.measure(order: order, pageByteCount: pageByteCount, frames: frames)
      guard let statistics = LatencyStatistics(nanoseconds: times) else { continue }
      print("floor, frames \(name):")
      print(LatencyTable.header)
      print(LatencyTable.row(byteCount: pageByteCount, statistics))
    }
  }
}

FetchLatency.main()
