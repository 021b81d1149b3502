import Fabric
import Glibc
import Platform
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
  private func lastWords(_ failure: FabricFailure, how: String = "") -> String {
    let buffer = UnsafeMutableRawPointer.allocate(byteCount: LastWords.byteCount, alignment: 8)
    defer { buffer.deallocate() }
    var report = FatalReport(buffer)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: LossRecord.byteCount, alignment: 64)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: LossRecord.byteCount)
    let loss = LossRecord(memory)
    Array(how.utf8).withUnsafeBytes { loss.note(lost: 3, how: $0) }
    report.append(failure, loss)
    return String(decoding: UnsafeRawBufferPointer(start: buffer, count: report.words.used), as: UTF8.self)
  }

  @Test func noAnswer() {
    let error = MerinoError(failure(12), "take a lock")
    #expect(error.code == .fabric)
    #expect(
      error.description
        == "could not take a lock: the fabric's operation to node 2 failed with status 12, no answer from "
        + "the node (transport retry counter exceeded); see whether it runs, and whether the network carries "
        + "RDMA between the hosts (rping, ib_read_lat).")
    #expect(
      lastWords(failure(12))
        == ": the fabric's operation to node 2 failed with status 12, no answer from the node (transport "
        + "retry counter exceeded)")
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
        == "could not take a lock: the fabric's operation to node 2 was not accepted by this node's device: "
        + "Cannot allocate memory (errno 12); see the kernel's log.")
    #expect(
      lastWords(failure(-ENOMEM))
        == ": the fabric's operation to node 2 was not accepted by this node's device, with errno 12")
  }

  @Test func aLostNodeAndHowItEnded() {
    #expect(
      lastWords(
        FabricFailure(reason: .peerLost, peer: 3), how: "node 3 (process 4711) was ended by SIGKILL (Killed)."
      )
        == ": node 3 left the job before the end, and this page needs the others: node 3 (process 4711) was "
        + "ended by SIGKILL (Killed)")
    let longest = String(repeating: "x", count: LossRecord.byteCount)
    #expect(
      lastWords(FabricFailure(reason: .peerLost, peer: 3), how: longest).utf8.count <= LastWords.byteCount)
  }

  @Test(arguments: PeerWord.allCases) func aBadWordIsNamedWithNodeAndValue(_ word: PeerWord) {
    let failure = FabricFailure(bad: word, of: 3, value: 0xDEAD_BEEF)
    let said =
      "\(word.words) at node 3 is 0xdeadbeef, which no node can have written there: its memory was "
      + "overwritten"
    let error = MerinoError(failure, "take a lock")
    #expect(error.code == .fabric)
    #expect(
      error.description
        == "could not take a lock: \(said), or it runs another version of Merino. End the job.")
    #expect(lastWords(failure) == ": \(said)")
  }

  /// The longest of them fits with what comes before and behind.
  @Test func theLastWordsFit() {
    for status in Int32(-133)...30 { #expect(lastWords(failure(status)).utf8.count < 300) }
  }
}
