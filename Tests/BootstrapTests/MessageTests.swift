import CBootstrap
import Glibc
import Testing

@testable import Bootstrap

/// Framing, without processes.
@Suite(.timeLimit(.minutes(1)))
struct MessageTests {
  private func pair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    return (ends[0], ends[1])
  }

  @Test func messagesArriveHoweverTheyAreCut() throws {
    let (here, there) = try pair()
    defer { close(here) }
    let message = RendezvousMessage(kind: .exchange, payload: Array("a payload".utf8))
    let bytes = RendezvousHeader(message).encoded() + message.payload
    var reader = MessageReader()
    // Three in a row, byte by byte: a message is there with its last byte, not before.
    for index in 0..<3 * bytes.count {
      #expect(write(there, [bytes[index % bytes.count]], 1) == 1)
      let progress = try reader.receive(from: here, flags: MessageFlags.doNotWait)
      if (index + 1) % bytes.count == 0 {
        guard case .message(let read) = progress else {
          Issue.record("no message after byte \(index): \(progress)")
          return
        }
        #expect(read.kind == .exchange && read.payload == message.payload)
      } else {
        guard case .wouldBlock = progress else {
          Issue.record("after byte \(index): \(progress)")
          return
        }
      }
    }
    close(there)
    guard case .closed = try reader.receive(from: here, flags: 0) else {
      Issue.record("the end is not seen")
      return
    }
  }

  @Test func descriptorsStayWithTheirMessage() throws {
    let (here, there) = try pair()
    defer { close(here); close(there) }
    var writer = MessageWriter()
    for count in [1, 0, 130] {
      let descriptors = Array(repeating: STDIN_FILENO, count: count)
      writer.append(
        RendezvousMessage(kind: .barrier, payload: [UInt8(count)], descriptors: .borrowed(descriptors)))
    }
    guard case .done = try writer.flush(to: there, flags: 0) else {
      Issue.record("not sent")
      return
    }
    var reader = MessageReader()
    for count in [1, 0, 130] {
      guard case .message(let message) = try reader.receive(from: here, flags: MessageFlags.doNotWait) else {
        Issue.record("no message with \(count) descriptors")
        return
      }
      #expect(message.payload == [UInt8(count)] && message.descriptors.numbers.count == count)
    }
    #expect(fcntl(STDIN_FILENO, F_GETFD) >= 0, "borrowed descriptors stay open")
  }

  @Test func contributionsComeBack() {
    let parts: [[UInt8]] = [[], [1, 2, 3], [], Array(repeating: 7, count: 1000)]
    let payload = Contributions.encode(parts)
    #expect(Contributions.decode(payload, nodeCount: 4) == parts)
    #expect(Contributions.decode(Array(payload.dropLast()), nodeCount: 4) == nil)
    #expect(
      Contributions.decode(payload, nodeCount: 5) == nil
        || Contributions.decode(payload, nodeCount: 5) != parts)
  }

  @Test(arguments: [
    ([], "no node"), ([3], "node 3"), ([1, 2], "nodes 1 and 2"),
    ([0, 1, 2, 3, 4, 7, 9], "nodes 0-4, 7 and 9"),
    ([0, 1, 2], "nodes 0-2"),
  ])
  func nodesForPeople(nodes: [Int], sentence: String) {
    #expect(NodeList.sentence(nodes) == sentence)
  }

  @Test func timersComeInTimeAndNotAfterTheyAreCancelled() {
    let loop = EventLoop()
    var fired: [Int] = []
    for milliseconds in [30, 10, 20] { loop.after(milliseconds: milliseconds) { fired.append(milliseconds) } }
    loop.after(milliseconds: 15) { fired.append(15) }.cancel()
    loop.run { fired.count < 3 }
    #expect(fired == [10, 20, 30])
  }

  @Test func aDescriptorThatWasRemovedIsNotServed() throws {
    let loop = EventLoop()
    let (first, firstPeer) = try pair()
    let (second, secondPeer) = try pair()
    defer { for end in [first, firstPeer, second, secondPeer] { close(end) } }
    // Both are ready; whoever is served first removes the other.
    #expect(write(firstPeer, [1], 1) == 1 && write(secondPeer, [1], 1) == 1)
    var served = 0
    loop.watch(first, POLLIN) { _ in
      served += 1; loop.unwatch(second)
    }
    loop.watch(second, POLLIN) { _ in
      served += 1; loop.unwatch(first)
    }
    loop.runOnce(withinMilliseconds: 1000)
    #expect(served == 1)
  }
}
