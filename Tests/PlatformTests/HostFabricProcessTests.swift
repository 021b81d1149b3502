import Fabric
import Glibc
import HostFabric
import Platform
import Testing

@Suite("HostFabric: processes")
struct HostFabricProcessTests {
  /// Node 1 runs in a forked process, which does nothing but fabric operations and `_exit`, so the
  /// fork of a threaded process is safe.
  @Test("Two processes count with fetch-add, pass messages, and find each other's memory")
  func twoProcesses() throws {
    let nodes = try HostNodes(count: 2)
    let rounds: UInt64 = 30_000
    let deadline = nowNanoseconds() + 20_000_000_000
    let (mine, theirs) = (nodes.fabrics[0], nodes.fabrics[1])
    let fork = cFunction("fork", as: (@convention(c) () -> pid_t).self)
    let child = fork()
    if child == 0 {
      let isDone = pingPong(theirs, Flight(nodes.memories[1].control + 256), peer: 0, rounds, deadline)
      _exit(isDone ? 7 : 8)
    }
    try #require(child > 0)
    let isDone = pingPong(mine, nodes.flight(0), peer: 1, rounds, deadline)
    #expect(isDone, "the deadline passed")
    #expect(exitCode(of: child, deadline + 2_000_000_000) == 7)
    // Node 0 holds the counter; each side's page has arrived whole in the other's frames.
    #expect(AtomicWord(nodes.memories[0].control + 128).load() == 2 * rounds)
    for node in 0..<2 {
      let page = UnsafeRawBufferPointer(start: nodes.memories[node].frames + 4096, count: 4096)
      #expect(page.allSatisfy { $0 == UInt8(0xA0 + 1 - node) }, "page of node \(node)")
    }
  }
}

/// Each round: count in node 0's control memory, WRITE the round into the peer's mailbox, wait for the
/// peer's in the own one. Allocates nothing.
private func pingPong(
  _ fabric: HostFabric, _ flight: Flight, peer: NodeID, _ rounds: UInt64, _ deadline: UInt64
) -> Bool {
  let control = fabric.memory.control
  memset(fabric.memory.frames, Int32(0xA0 + fabric.node.number), 4096)
  fabric.writeNow(peer, from: fabric.memory.frames, 4096, to: fabric.frame(4096, at: peer), flight)
  for round in 1...rounds {
    AtomicWord(control + 32).store(round)
    var batch = fabric.open(0, lane: 0)
    fabric.fetchAdd(&batch, at: fabric.controlMemory(of: 0).advanced(by: 128), addend: 1, old: control + 40)
    fabric.submit(batch, flight)
    fabric.writeNow(
      peer, from: control + 32, 8, to: fabric.controlMemory(of: peer).advanced(by: 48), flight)
    var backoff = Backoff()
    while AtomicWord(control + 48).load() < round {
      if nowNanoseconds() > deadline { return false }
      backoff.wait()
    }
  }
  return flight.takeFailure() == nil
}

/// The exit code, or -1: ended by a signal, or (killed by then) not at all.
private func exitCode(of child: pid_t, _ deadline: UInt64) -> Int32 {
  var status: Int32 = 0
  while waitpid(child, &status, WNOHANG) == 0 {
    if nowNanoseconds() > deadline {
      kill(child, SIGKILL)
      waitpid(child, &status, 0)
      return -1
    }
    usleep(1000)
  }
  return status & 0x7F == 0 ? (status >> 8) & 0xFF : -1
}
