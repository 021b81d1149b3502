import Glibc
import Testing

@testable import Bootstrap

/// Which launcher a process has, from its environment alone.
@Suite struct LaunchTests {
  private func find(_ variables: [String: String]) throws(BootstrapError) -> Launch {
    try Launch.find { variables[$0] }
  }

  private func sentence(_ variables: [String: String]) -> String {
    do throws(BootstrapError) { return "found \(try find(variables))" } catch { return error.description }
  }

  static let hydra = ["PMI_FD": "6", "PMI_RANK": "2", "PMI_SIZE": "4"]

  @Test func launchersAreKnownByTheirSigns() throws {
    #expect(try find([:]) == .alone)
    #expect(try find(["PMIX_RANK": "1", "PMIX_NAMESPACE": "job"]) == .pmix)
    #expect(try find(Self.hydra) == .pmi(PMIPlace(rank: 2, size: 4, descriptor: 6, version: .one)))
    let slurm = Self.hydra.merging(["PMI_JOBID": "7.0"]) { $1 }
    #expect(
      try find(slurm) == .pmi(PMIPlace(rank: 2, size: 4, descriptor: 6, version: .either, jobName: "7.0")))
    // Both: PMIx is the newer of what one launcher offers.
    #expect(try find(Self.hydra.merging(["PMIX_RANK": "1", "PMIX_NAMESPACE": "job"]) { $1 }) == .pmix)
  }

  @Test func aSingleProcessOfALauncherIsAJobOfOne() throws {
    #expect(try find(["SLURM_STEP_NUM_TASKS": "1", "OMPI_COMM_WORLD_SIZE": "1", "PMI_SIZE": "1"]) == .alone)
    // A batch script's own variables: nothing was started with it.
    #expect(try find(["SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"]) == .alone)
  }

  @Test func theUserDecides() throws {
    func said(_ launcher: String) -> [String: String] {
      Self.hydra.merging(["MERINO_LAUNCHER": launcher]) { $1 }
    }
    #expect(try find(said("none")) == .alone)
    #expect(try find(said("auto")) == find(Self.hydra))
    #expect(try find(said("pmix")) == .pmix)
    #expect(try find(said("pmi2")) == .pmi(PMIPlace(rank: 2, size: 4, descriptor: 6, version: .two)))
    #expect(sentence(said("mpirun")).contains("MERINO_LAUNCHER is \"mpirun\"; it must be auto, "))
    #expect(
      sentence(said("merino")).contains("MERINO_RENDEZVOUS is not set; start the program with merino run"))
    #expect(sentence(["MERINO_LAUNCHER": "pmi1"]).contains("PMI_RANK is not set"))
  }

  @Test(arguments: [
    (["PMI_RANK": "4"], "say that this is process 4 of 4, which cannot be"),
    (["PMI_RANK": "-1"], "process -1 of 4"),
    (["PMI_SIZE": "0", "PMI_RANK": "0"], "process 0 of 0"),
    (["PMI_SIZE": "many"], "PMI_SIZE is \"many\"; it must be a whole number"),
    (["PMI_SIZE": "1025"], "started 1025 processes, and a job has at most 1024 nodes"),
    (["PMI_FD": "six"], "PMI_FD is \"six\""),
  ])
  func nonsenseIsNamed(change: [String: String], what: String) {
    let said = sentence(Self.hydra.merging(change) { $1 })
    #expect(said.contains(what), "\(said)")
  }

  /// Each of them would otherwise become a job of one.
  @Test(arguments: [
    (["SLURM_STEP_NUM_TASKS": "4"], "srun --mpi=pmix or srun --mpi=pmi2"),
    (["OMPI_COMM_WORLD_SIZE": "4"], "there is no PMIX_RANK"),
    (["PMI_SIZE": "4", "PMI_RANK": "1", "PMI_PORT": "host:1"], "there is neither PMI_FD nor PMIX_RANK"),
  ])
  func aLauncherWithoutAWayToItIsAnError(variables: [String: String], what: String) {
    let said = sentence(variables)
    #expect(
      said.contains("one of 4") && said.contains(what) && said.contains("MERINO_LAUNCHER=none"), "\(said)")
  }

  @Test(arguments: [
    ("/nonexistent/libpmix.so.2", "/nonexistent/libpmix.so.2: cannot open shared object file"),
    ("libc.so.6", "it has not the functions of PMIx"),
  ])
  func aMissingLibpmixIsAnError(library: String, what: String) throws {
    let run = try RunningCommand(
      [Tool.probe, "join"],
      environment: ["PMIX_RANK": "1", "PMIX_NAMESPACE": "job", "MERINO_PMIX_LIBRARY": library]
    ).wait()
    #expect(run.code == 9 && run.output.hasPrefix("error cannotReachLauncher: PMIX_RANK is set: "), "\(run)")
    #expect(run.output.contains(what) && run.output.contains("MERINO_LAUNCHER=none"), "\(run)")
  }

  @Test func messagesAreReadAsTheyAreWritten() throws {
    let put = PMIMessage("put", ["kvsname": "k", "key": "a", "value": "x=y"])
    #expect(put.line(["kvsname", "key", "value"]) == "cmd=put kvsname=k key=a value=x=y\n")
    #expect(PMIMessage(line: "cmd=put kvsname=k key=a value=x=y") == put)
    let get = PMIMessage("kvs-put", ["key": "a;b", "value": ";c"])
    #expect(get.frame(["key", "value"]) == "    31cmd=kvs-put;key=a;;b;value=;;c;")
    #expect(PMIMessage(frame: "cmd=kvs-put;key=a;;b;value=;;c;") == get)
    for nonsense in ["", "hello", "rc=0", "cmd"] {
      #expect(PMIMessage(line: nonsense) == nil && PMIMessage(frame: nonsense) == nil, "\(nonsense)")
    }
    #expect(PMIMessage(line: "cmd=x stray") == nil && PMIMessage(frame: "cmd=x;stray;") == nil)
    #expect(
      PMIMessage(line: "cmd=a rc=-1")?.isSuccess == false && PMIMessage(line: "cmd=a rc=0")?.isSuccess == true
    )
  }

  @Test(arguments: [(0, 64), (1, 64), (59, 64), (60, 64), (61, 64), (1000, 64), (1000, 256), (1000, 2000)])
  func textsAreCutAndPutTogether(length: Int, byteCount: Int) throws {
    let text = String((0..<length).map { Character(UnicodeScalar(UInt8(97 + $0 % 26))) })
    let values = PMIValues.split(text, byteCount: byteCount)
    #expect(values.allSatisfy { $0.utf8.count <= byteCount })
    let head = try #require(PMIValues.head(values[0]))
    #expect(head.count == values.count && head.text + values.dropFirst().joined() == text)
    #expect(PMIValues.head("x.abc") == nil && PMIValues.head("abc") == nil && PMIValues.head("0.a") == nil)
  }

  @Test func cardsAreReadAsTheyAreWritten() throws {
    let addresses = [HostAndPort(host: "10.0.0.1", port: 7), HostAndPort(host: "fd00::2", port: 7)]
    let card = try RendezvousCard.fresh(addresses: addresses)
    #expect(RendezvousCard(card.text) == card)
    #expect(!card.text.contains { " =;\n".contains($0) })
    for nonsense in ["", "merino1,@a", card.text + ",nowhere", "merino2" + card.text.dropFirst(7)] {
      #expect(RendezvousCard(nonsense) == nil, "\(nonsense)")
    }
  }
}
