import Glibc
import Testing

@testable import Bootstrap

/// No sequence of bytes from outside, split in any way, proven or not, stops the process that keeps the
/// rendezvous.
@Suite(.serialized, .timeLimit(.minutes(4)))
struct EntranceFuzzTests {
  private static let conversationsPerJob = 10
  private static let jobsPerSeed = 100

  @Test func conversationsAtTheEntrance() throws {
    let seeds = FuzzWatch.seeds(0..<100)
    let secret = Array("sixteen bytes and more".utf8)
    let before = FuzzWatch.openFiles()
    var sum = FuzzCounts()
    for seed in seeds {
      var random = FuzzRandom(seed: seed)
      try FuzzWatch.run("the entrance", seed: seed) {
        for job in 0..<Self.jobsPerSeed {
          let own = FuzzRandom(seed: random.next())
          sum += try FuzzJob(own, secret, name: "\(seed)-\(job)").run(Self.conversationsPerJob)
        }
      }
    }
    #expect(FuzzWatch.openFiles() == before, "descriptors are left")
    guard seeds.count > 1 else { return }
    // Of each kind enough to say that it was tried.
    #expect(sum.conversations == 100_000, "\(sum)")
    #expect(sum.local > 15_000 && sum.greeted > 40_000 && sum.proven > 25_000 && sum.said > 20_000, "\(sum)")
    #expect(
      sum.attached > 5000 && sum.admitted > 5000 && sum.allJoined > 1000 && sum.answered > 1000, "\(sum)")
    #expect(sum.left > 100 && sum.aborted > 100 && sum.outposts > 1000 && sum.reports > 1000, "\(sum)")
    #expect(sum.cutOff > 1000, "\(sum)")
    print("entrance fuzz: \(sum)")
  }
}
