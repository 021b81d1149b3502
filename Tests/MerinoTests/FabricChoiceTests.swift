import Testing
import VerbsFabric

@testable import Merino

/// What the nodes conclude from what each has, and what people read where they cannot agree.
@Suite struct FabricChoiceTests {
  private func offer(
    _ request: FabricRequest = .auto, device: Bool = false, address: Bool = false, lanes: Int = 1,
    _ method: VerbsSettings.Method = .auto, reason: String = "could not find an RDMA device: there is none."
  ) -> FabricOffer {
    FabricOffer(
      request: request, hasDevice: device, hasAddress: address, laneCount: lanes, method: method,
      reason: reason)
  }

  private func choice(_ offers: [FabricOffer], together: Bool = true) throws -> FabricChoice {
    try FabricChoice.decide(
      offers, hosts: offers.indices.map { together ? "h" : "h\($0)" }, areTogether: together
    ).choice
  }

  private func refusal(_ offers: [FabricOffer], together: Bool = true) -> String {
    do {
      _ = try choice(offers, together: together)
      return ""
    } catch {
      return "\((error as? MerinoError)?.description ?? "another error")"
    }
  }

  @Test func aSentenceEndsOnce() {
    let all = [offer(.verbs), offer(.verbs), offer(.verbs, device: true, address: true)]
    for offers in [all, Array(all[..<1]), Array(all[1...])] {
      let sentence = refusal(offers, together: false)
      #expect(sentence.contains("MERINO_FABRIC=verbs needs an RDMA device on every node: node 0 on h0: "))
      #expect(sentence.hasSuffix(".") && !sentence.contains("..") && !sentence.contains(".;"), "\(sentence)")
    }
    let noAddress = refusal([offer(device: true, .cm, reason: "device a; passed over: b: it failed.")])
    #expect(noAddress.contains("MERINO_CONNECT=cm, but the port of node 0 on h has no IP address"))
    #expect(noAddress.hasSuffix(".") && !noAddress.contains(".."))
  }

  /// What all say counts; what some leave open does not; and contradictions name both nodes.
  @Test func theyAgreeOrSayWhoDoesNot() throws {
    #expect(
      refusal([offer(.host), offer(.verbs)]).contains("MERINO_FABRIC is host at node 0 and verbs at node 1"))
    #expect(refusal([offer(.host), offer()], together: false).contains("needs all nodes on one machine"))
    #expect(refusal([offer(), offer()], together: false).contains("the nodes are on several machines"))
    let good = offer(device: true, address: true)
    let lanes = offer(device: true, address: true, lanes: 2)
    #expect(refusal([good, lanes]).contains("MERINO_LANES is 1 at node 0 and 2 at node 1"))
    let (cm, exchange) = (
      offer(device: true, address: true, .cm), offer(device: true, address: true, .exchange)
    )
    #expect(refusal([good, cm, exchange]).contains("MERINO_CONNECT is cm at node 1 and exchange at node 2"))
    guard case .verbs(byAddress: false) = try choice([good, exchange]) else {
      Issue.record("one node's wish for exchange did not count")
      return
    }
  }

  @Test func addressesDecideOverTheWayToConnect() throws {
    let good = offer(device: true, address: true)
    guard case .verbs(byAddress: true) = try choice([good, good], together: false) else {
      Issue.record("not by address")
      return
    }
    guard case .verbs(byAddress: false) = try choice([good, offer(device: true)], together: false) else {
      Issue.record("not by exchange")
      return
    }
    guard case .host = try choice([good, offer()]) else {
      Issue.record("not the host fabric")
      return
    }
  }

  @Test func anOfferTravels() throws {
    let sent = offer(.verbs, address: true, lanes: 3, .exchange, reason: "why")
    let got = try #require(FabricOffer(sent.bytes))
    #expect(got.request == .verbs && !got.hasDevice && got.hasAddress && got.laneCount == 3)
    #expect(got.method == .exchange && got.reason == "why")
    #expect(
      FabricOffer([1, 2]) == nil && FabricOffer([9, 0, 0, 0, 65]) == nil
        && FabricOffer([1, 0, 1, 9, 65]) == nil)
  }
}
