import Glibc
import Synchronization
import Testing

@testable import Bootstrap

/// PMI's two versions against a launcher in the test.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct PMITests {
  private func share(
    _ pmi: FakePMI, _ text: String, limit: Int = 10_000, ranks: Int? = nil
  ) -> [Result<String, any Error>] {
    onThreads(ranks ?? pmi.size) { rank in
      try PMIManager(pmi.place(rank)).share(rank == 0 ? text : nil, withinMilliseconds: limit)
    }
  }

  private func sentence(_ result: Result<String, any Error>?) -> String {
    switch result {
    case .success(let text): "got \(text)"
    case .failure(let error): "\(error)"
    case nil: "nothing"
    }
  }

  @Test(arguments: [PMIPlace.Version.one, .two], [64, 256, 4096])
  func everybodyGetsNodeZerosText(version: PMIPlace.Version, valueByteCount: Int) throws {
    let pmi = FakePMI(3, version, valueByteCount: valueByteCount)
    defer { pmi.close() }
    let text = try RendezvousCard.fresh(addresses: HostAndPort.ofThisHost(port: 7000)).text
    for result in share(pmi, text) { #expect(sentence(result) == "got \(text)") }
  }

  @Test func onlyWhatIsNeededIsSaidOfPMI1() throws {
    let pmi = FakePMI(2, .one)
    _ = share(pmi, "text")
    pmi.close()
    // No `init`, which MPI may have said already.
    let start = ["get_maxes", "get_my_kvsname"]
    pmi.heard.withLock { heard in
      #expect(heard == [start + ["put", "barrier_in", "get"], start + ["barrier_in", "get"]])
    }
  }

  @Test(arguments: [PMIPlace.Version.one, .two])
  func whoDoesNotComeIsNotWaitedForWithoutEnd(version: PMIPlace.Version) {
    let pmi = FakePMI(2, version)
    defer { pmi.close() }
    let said = sentence(share(pmi, "text", limit: 30, ranks: 1).first)
    #expect(said.contains("not every one of the 2 processes") && said.contains("within 0.03 s"), "\(said)")
    #expect(said.contains("MERINO_JOIN_TIMEOUT"), "\(said)")
  }

  @Test(arguments: [
    (PMIPlace.Version.one, FakePMI.Manner.closes("barrier_in"), "closed its connection to this process"),
    (
      .one, .says("put", "cmd=put_result rc=-1 msg=key_too_long\n"),
      "refused put while this process was joining: key_too_long"
    ),
    (.one, .says("get", "cmd=get_result rc=-1 msg=gone value=unknown\n"), "refused get"),
    (.one, .says("get_maxes", "HTTP/1.1 400 Bad Request\n"), "none of PMI: \"HTTP/1.1 400 Bad Request\""),
    (.one, .says("get_maxes", "cmd=maxes vallen_max=3\n"), "none of PMI: \"vallen_max=3\""),
    (.one, .says("get_my_kvsname", "cmd=barrier_out\n"), "none of PMI: \"cmd=barrier_out\""),
    (.one, .silent("get"), "within 0.2 s"),
    (
      .two, .says("init", "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=-1\n"),
      "refused PMI version 2"
    ),
    (
      .two, .says("fullinit", FakePMI.framed("cmd=fullinit-response;rank=7;size=9;appnum=0;rc=0;")),
      "the launcher says 7 of 9"
    ),
    (.two, .says("kvs-fence", "rubbish and more of it"), "none of PMI: \"rubbis\""),
    (.two, .says("kvs-fence", "999999cmd="), "none of PMI: \"999999\""),
    (.two, .says("kvs-get", FakePMI.framed("cmd=kvs-get-response;found=FALSE;rc=0;")), "refused kvs-get"),
    (
      .two, .says("kvs-put", FakePMI.framed("cmd=kvs-put-response;rc=3;errmsg=full;")),
      "refused kvs-put while this process was joining: full"
    ),
    (.two, .closes("fullinit"), "closed its connection to this process"),
  ])
  func aLauncherThatFailsIsAnError(version: PMIPlace.Version, manner: FakePMI.Manner, what: String) {
    let pmi = FakePMI(1, version, manner)
    defer { pmi.close() }
    let said = sentence(share(pmi, "text", limit: 200).first)
    #expect(said.contains(what), "\(said)")
  }

  @Test func aClosedConnectionIsAnError() throws {
    let free = open("/dev/null", O_RDONLY)
    close(free)
    func said(_ descriptor: Int32) -> String {
      do {
        _ = try PMIManager(PMIPlace(rank: 0, size: 2, descriptor: descriptor, version: .one))
        return "nothing"
      } catch {
        return error.kind == .cannotReachLauncher ? error.description : "\(error.kind)"
      }
    }
    // Beyond what any thread of the tests opens meanwhile.
    #expect(said(900_000).contains("which PMI_FD names, is not open: Bad file descriptor"))
    let file = open("/dev/null", O_RDONLY)
    defer { close(file) }
    #expect(said(file).contains("is another file than the launcher's connection by now"))
  }

  @Test(arguments: [PMIPlace.Version.one, .two])
  func nodesJoinExchangeAndLeave(version: PMIPlace.Version) throws {
    let pmi = FakePMI(3, version)
    let results = onThreads(3) { rank in
      let link = try ManagedLink(PMIManager(pmi.place(rank)), timeoutMilliseconds: 10_000)
      let all = try link.exchange([UInt8(rank)])
      let descriptors = try link.exchangeDescriptors([0])
      for descriptor in descriptors.joined() { close(descriptor) }
      try link.barrier()
      try link.leave()
      return "\(link.node) of \(link.nodeCount) \(all) \(descriptors.count) \(link.secret)"
    }
    let secret = try results[0].get().split(separator: "(").last ?? ""
    for (rank, result) in results.enumerated() {
      #expect(try result.get() == "\(rank) of 3 [[0], [1], [2]] 3 (\(secret)")
    }
    pmi.close()
    pmi.heard.withLock { heard in
      #expect(heard.allSatisfy { $0.last == "finalize" && $0.count { $0 == "finalize" } == 1 }, "\(heard)")
    }
  }

  /// The lost node's link is dropped without leaving, as its process's end would do; node 0 keeps the
  /// rendezvous.
  @Test(arguments: [0, 1, 2])
  func theLossOfANodeIsTold(lost: Int) throws {
    let pmi = FakePMI(3, .one)
    defer { pmi.close() }
    let results = onThreads(3) { rank -> String in
      let link = try ManagedLink(PMIManager(pmi.place(rank)), timeoutMilliseconds: 10_000)
      if rank == lost { return "lost" }
      do throws(BootstrapError) {
        try link.barrier()
        return "the barrier was passed"
      } catch {
        var entry = pollfd(fd: link.eventDescriptor, events: Int16(POLLIN), revents: 0)
        poll(&entry, 1, 10_000)
        let event = link.nextEvent()
        try? link.leave()
        return
          "\(error.kind) \(error.node ?? -1) \(error.description) "
          + "\(event == .peerLost(node: lost, how: error.description))"
      }
    }
    for (rank, result) in results.enumerated() where rank != lost {
      let said = try result.get()
      #expect(
        said.hasPrefix("peerLost \(lost) node \(lost) (") && said.hasSuffix(" true"), "\(said)")
      #expect(
        said.contains(
          "ended without having left the job: it crashed, was killed, or did not finalize or could not."),
        "\(said)")
    }
  }

  @Test func aNodeThatNeverComesIsNamed() throws {
    let pmi = FakePMI(3, .one)
    defer { pmi.close() }
    let results = onThreads(3) { rank -> String in
      let manager = try PMIManager(pmi.place(rank))
      if rank == 2 { return try manager.share(nil, withinMilliseconds: 10_000) }
      _ = try ManagedLink(manager, timeoutMilliseconds: 100)
      return "joined"
    }
    for result in results.prefix(2) {
      let said = sentence(result)
      #expect(
        said.contains("node 2 of 3 did not join within 0.1 s, while nodes 0-1 waited")
          || said.contains("node 2 of 3 did not join within 0.1 s, while nodes 0 and 1 waited"), "\(said)")
    }
  }

  @Test func anAbortIsToldToTheLauncherAndTheOthers() throws {
    let pmi = FakePMI(2, .one)
    let results = onThreads(2) { rank -> String in
      let link = try ManagedLink(PMIManager(pmi.place(rank)), timeoutMilliseconds: 10_000)
      if rank == 0 {
        link.abort(code: 37)
        return ""
      }
      do throws(BootstrapError) { try link.barrier() } catch { return error.description }
      return "the barrier was passed"
    }
    let said = sentence(results[1])
    #expect(
      said.contains("node 0 (") && said.contains("ended the job with code 37 (merino_abort)."), "\(said)")
    pmi.close()
    #expect(pmi.heard.withLock { $0[0].contains("abort") })
  }

  /// Nodes on other hosts than node 0's do not find its name, and come over TCP.
  @Test func nodesOfOtherHostsComeOverTCP() throws {
    let pmi = FakePMI(3, .one)
    defer { pmi.close() }
    let results = onThreads(3) { rank -> String in
      let manager = Elsewhere(manager: try PMIManager(pmi.place(rank)), addresses: nil)
      let link = try ManagedLink(manager, timeoutMilliseconds: 10_000)
      let all = try link.exchange([UInt8(rank)])
      let descriptors = try link.exchangeDescriptors([try #require(openedFile())])
      for descriptor in descriptors.joined() { close(descriptor) }
      try link.leave()
      return "\(link.node) \(all) \(descriptors.count) \(link.secret)"
    }
    let secret = try results[0].get().split(separator: "(").last ?? ""
    for (rank, result) in results.enumerated() {
      #expect(try result.get() == "\(rank) [[0], [1], [2]] 3 (\(secret)")
    }
  }

  @Test func anAddressThatLeadsNowhereIsNamed() throws {
    let pmi = FakePMI(2, .one)
    defer { pmi.close() }
    let nowhere = [HostAndPort(host: "127.0.0.1", port: 1), HostAndPort(host: "::1", port: 1)]
    let results = onThreads(2) { rank -> String in
      let manager = Elsewhere(manager: try PMIManager(pmi.place(rank)), addresses: nowhere)
      return "joined as \(try ManagedLink(manager, timeoutMilliseconds: 300).node)"
    }
    #expect(sentence(results[0]).contains("node 1 of 2 did not join within 0.3 s"), "\(results[0])")
    let said = sentence(results[1])
    #expect(
      said.contains("could not connect to the rendezvous at 127.0.0.1:1: Connection refused"), "\(said)")
    #expect(said.contains("Tried in turn: 127.0.0.1:1, [::1]:1"), "\(said)")
  }

  /// What can be opened anew through /proc, as memory files can.
  private func openedFile() -> Int32? {
    let file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
    return file < 0 ? nil : file
  }
}

/// A process that is not on node 0's host, where it is not node 0.
private struct Elsewhere: ProcessManager {
  let manager: PMIManager
  let addresses: [HostAndPort]?
  var name: String { manager.name }
  var node: Int { manager.node }
  var nodeCount: Int { manager.nodeCount }

  func share(_ text: String?, withinMilliseconds limit: Int) throws(BootstrapError) -> String {
    let text = try manager.share(text, withinMilliseconds: limit)
    guard node > 0, var card = RendezvousCard(text) else { return text }
    card.localName = "@merino-of-nobody"
    card.addresses = addresses ?? card.addresses
    return card.text
  }

  func abort(code: Int32) { manager.abort(code: code) }
  func leave() { manager.leave() }
}
