import Fabric
import Glibc
import Testing
import VerbsFabric

@testable import Merino
@testable import Node

/// What people read of operations of the fabric that failed, in an error and in the last words of a process.
@Suite struct FabricSentenceTests {
  private func failure(_ status: Int32) -> FabricFailure {
    FabricFailure(reason: .completionError, peer: 2, status: status)
  }

  /// What `FatalReport` writes of it.
  private func lastWords(_ failure: FabricFailure) -> String {
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: FatalReport.byteCount, alignment: 8)
    defer { buffer.deallocate() }
    var report = FatalReport(buffer)
    report.append(failure)
    return String(decoding: UnsafeRawBufferPointer(start: buffer, count: report.used), as: UTF8.self)
  }

  @Test func noAnswer() {
    let error = MerinoError(failure(12), "take a lock")
    #expect(error.code == .fabric)
    #expect(
      error.description
        == "could not take a lock: the fabric's operation to node 2 failed with status 12, no answer from the node "
        + "(transport retry counter exceeded); see whether it runs, and whether the network carries RDMA between "
        + "the hosts (rping, ib_read_lat).")
    #expect(
      lastWords(failure(12))
        == ": the fabric's operation to node 2 failed with status 12, no answer from the node (transport retry "
        + "counter exceeded)")
  }

  @Test(arguments: [
    (1, "local length"), (2, "queue pair operation"), (4, "local protection"), (5, "flushed"),
    (9, "remote invalid request"), (10, "remote access"), (11, "remote operation"),
    (13, "receiver-not-ready"), (19, "device reports an error of its own"), (99, "does not know"),
  ])
  func everyStatusHasWords(status: Int32, words: String) {
    #expect(MerinoError(failure(status), "finalize").description.contains(words))
    #expect(lastWords(failure(status)).contains("status \(status), "))
    #expect(lastWords(failure(status)).contains(words))
  }

  @Test func aRefusedPostIsAnErrno() {
    let error = MerinoError(failure(-ENOMEM), "take a lock")
    #expect(
      error.description
        == "could not take a lock: the fabric's operation to node 2 was not accepted by this node's device: Cannot "
        + "allocate memory (errno 12); see the kernel's log.")
    #expect(
      lastWords(failure(-ENOMEM))
        == ": the fabric's operation to node 2 was not accepted by this node's device, with errno 12")
  }

  /// The longest of them fits with what comes before and behind.
  @Test func theLastWordsFit() {
    for status in Int32(-133)...30 { #expect(lastWords(failure(status)).utf8.count < 300) }
  }
}

/// What people read where the nodes cannot agree on a fabric.
@Suite struct FabricChoiceTests {
  /// An offer as another node would send it.
  private func offer(
    _ request: FabricRequest = .auto, flags: UInt8 = 0, lanes: UInt8 = 1, machine: String = "m",
    host: String = "h", reason: String = "could not find an RDMA device: there is none."
  ) throws -> FabricOffer {
    let texts = [machine, host, reason].flatMap { (text: String) -> [UInt8] in Array(text.utf8) + [0] }
    return try #require(FabricOffer([request.rawValue, flags, lanes] + texts))
  }

  private func refusal(_ offers: [FabricOffer], _ method: VerbsSettings.Method = .auto) -> String {
    do throws(MerinoError) {
      _ = try FabricChoice.decide(offers, method: method)
      return ""
    } catch {
      return error.description
    }
  }

  @Test func aSentenceEndsOnce() throws {
    let all = try [offer(.verbs), offer(.verbs, machine: "n", host: "i"), offer(.verbs, flags: 3)]
    for offers in [all, Array(all[..<1]), Array(all[1...])] {
      let sentence = refusal(offers)
      #expect(sentence.contains("MERINO_FABRIC=verbs needs an RDMA device on every node"))
      #expect(sentence.hasSuffix(".") && !sentence.contains("..") && !sentence.contains(".;"), "\(sentence)")
    }
    let noAddress = try refusal([offer(flags: 1, reason: "device a; passed over: b: it failed.")], .cm)
    #expect(noAddress.contains("MERINO_CONNECT=cm, but the port of node 0"))
    #expect(noAddress.hasSuffix(".") && !noAddress.contains(".."))
  }

  @Test func theyAgreeOrSayWhoDoesNot() throws {
    #expect(
      try refusal([offer(.host), offer(.verbs)]).contains("\"host\" at node 0 and \"verbs\" at node 1"))
    #expect(
      try refusal([offer(.host), offer(.auto, machine: "n")]).contains("needs all nodes on one machine"))
    let lanes = try [offer(flags: 3), offer(flags: 3, lanes: 2)]
    #expect(refusal(lanes).contains("MERINO_LANES is 1 at node 0 and 2 at node 1"))
  }

  @Test func addressesDecideOverTheWayToConnect() throws {
    let both = try [offer(flags: 3), offer(flags: 3, machine: "n")]
    guard case .verbs(byAddress: true) = try FabricChoice.decide(both, method: .auto).choice else {
      Issue.record("not by address")
      return
    }
    let one = try [offer(flags: 3), offer(flags: 1, machine: "n")]
    guard case .verbs(byAddress: false) = try FabricChoice.decide(one, method: .auto).choice else {
      Issue.record("not by exchange")
      return
    }
    guard case .host = try FabricChoice.decide([offer(flags: 3), offer()], method: .auto).choice else {
      Issue.record("not the host fabric")
      return
    }
  }

  @Test func anOfferTravels() throws {
    let sent = try offer(.verbs, flags: 2, lanes: 3, machine: "", host: "some host", reason: "why")
    let got = try #require(FabricOffer(sent.bytes))
    #expect(got.request == .verbs && !got.hasDevice && got.hasAddress && got.laneCount == 3)
    #expect(got.machine.isEmpty && got.hostName == "some host" && got.reason == "why")
    #expect(FabricOffer([1, 2]) == nil && FabricOffer([9, 0, 0, 0, 0, 0]) == nil)
    #expect(FabricOffer([0, 0, 1, 65, 0, 66]) == nil)
  }
}
