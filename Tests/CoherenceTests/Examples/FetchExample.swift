import Fabric
import Platform
import Testing

@testable import Coherence

/// A notice that comes while a page is being fetched poisons the fetch: the READ may have been too early, so
/// it is done again (docs/protocol.md, section 2).
@Suite(.timeLimit(.minutes(1))) struct FetchExample {
  @Test func aNoticeWhileFetchingHasThePageReadAgain() throws {
    let pair = try HostPair()
    let (reader, home) = (pair.engines[0], pair.engines[1])
    try pair.write(1, page: 5, 1)
    try home.release()
    try reader.acquireAll()
    // Node 0 faults. Its READ has brought the 1 and the page is not mapped yet: the moment for the others.
    let value = try pair.during {
      try pair.read(0, page: 5)
    } meanwhile: {
      guard reader.count(.pagesFetched) == 1 else { return false }
      #expect(pair.state(0, page: 5) == .fetching)
      // Node 1 writes and releases, and another thread of node 0 acquires.
      try pair.write(1, page: 5, 2)
      try home.release()
      try reader.acquireAll()
      // The fetcher alone leaves its state; it is told by the flag.
      #expect(pair.state(0, page: 5) == .fetching && reader.pages.load(5).isPoisoned)
      return true
    }
    #expect(value == 2)
    #expect(reader.count(.pagesFetched) == 2 && reader.count(.readFaults) == 1)
    #expect(pair.state(0, page: 5) == .clean && !reader.pages.load(5).isPoisoned)
  }
}
