import CBootstrap
import Glibc

@testable import Bootstrap

/// What somebody may say: right as a node says it, then spoilt.
extension FuzzRandom {
  /// - Parameter isMutated: how often of a hundred times.
  private mutating func say(_ message: RendezvousMessage, _ mutatedShare: Int) -> FuzzPeer.Step {
    let bytes = message.encoded()
    return .say(percent(mutatedShare) ? mutated(bytes) : bytes)
  }

  mutating func hello(_ token: [UInt8], _ nodeCount: Int, isLocal: Bool) -> RendezvousMessage {
    var hello = Hello(
      node: isLocal ? below(nodeCount) : percent(70) ? nil : below(nodeCount + 1), nodeCount: nil,
      eventsToken: token, timeoutMilliseconds: percent(80) ? 0 : Int(truncatingIfNeeded: edge() >> 1),
      member: Member(
        processID: Int32(truncatingIfNeeded: next()), hostName: "h", machine: "m", programName: "p"))
    if isLocal || percent(30) { hello.nodeCount = percent(95) ? nodeCount : below(3000) }
    if percent(2) { hello.protocolVersion = UInt32(truncatingIfNeeded: edge()) }
    return hello.message(eventDescriptor: nil)
  }

  /// What follows the first message.
  mutating func questions(_ mutatedShare: Int) -> [FuzzPeer.Step] {
    (0..<below(5)).map { _ in
      var message = RendezvousMessage(kind: .barrier)
      switch below(12) {
      case 0...3: message.kind = .exchange
      case 4...6: break
      case 7: message.kind = .leave
      case 8: message = .abort(code: Int32(truncatingIfNeeded: next()))
      case 9: message = report()
      default: message.kind = RendezvousMessage.Kind(rawValue: UInt32(1 + below(16))) ?? .answer
      }
      if percent(50) { message.payload += bytes(below(40)) }
      return say(message, mutatedShare)
    }
  }

  private mutating func report() -> RendezvousMessage {
    let node = Int(Int32(truncatingIfNeeded: percent(70) ? UInt64(below(4)) : edge()))
    switch below(4) {
    case 0: return OutpostReport.started(node: node, process: Int32(below(9)), programName: "p").message()
    case 1: return OutpostReport.ended(node: node, status: Int32(truncatingIfNeeded: next())).message()
    case 2: return OutpostReport.failed(exitCode: Int32(truncatingIfNeeded: next()), sentence: "s").message()
    default: return OutpostReport.gone.message()
    }
  }

  /// What somebody wants who has proven to belong here, and what it says then. `token`: of an events channel.
  mutating func wish(
    attaching token: [UInt8]?, claiming other: [UInt8], _ nodeCount: Int
  ) -> [FuzzPeer.Step] {
    let share = 15
    if let token {
      return [say(RendezvousMessage(kind: .attachEvents, payload: token), share)]
        + (percent(30) ? questions(share) : [])
    }
    switch below(10) {
    case 0...5: return [say(hello(other, nodeCount, isLocal: false), share)] + questions(share)
    case 6...8:
      let hello = OutpostHello(
        entry: percent(60) ? nil : percent(60) ? 0 : Int(Int32(truncatingIfNeeded: edge())),
        nodeCount: 1 + below(nodeCount),
        hostName: "h")
      return [say(hello.message(), share)] + (0..<below(6)).map { _ in say(report(), share) }
    default: return questions(50)
    }
  }

  /// A process of this machine: its hello, and the end of an events channel, or what it passes off as one.
  mutating func localScript(_ nodeCount: Int) -> [FuzzPeer.Step] {
    let hello = hello([UInt8](repeating: 0, count: Hello.tokenByteCount), nodeCount, isLocal: true)
    let good = percent(70)
    let descriptors = good ? [localEnd()] : (0..<below(4)).map { _ in oddDescriptor() }
    var bytes =
      RendezvousHeader(kind: .hello, hello.payload.count, descriptorCount: 1).encoded() + hello.payload
    if !good && percent(50) { bytes = mutated(bytes) }
    // A descriptor may come too early, with a byte that is none of its own.
    let cut = good || percent(70) ? bytes.count : below(bytes.count)
    return [.say(Array(bytes[..<cut])), .pass([0], descriptors), .say(Array(bytes[cut...]))]
      + questions(good ? 15 : 50)
  }

  private func localEnd() -> Int32 {
    var pair: [Int32] = [-1, -1]
    cbootstrap_event_pair(&pair)
    close(pair[0])
    return pair[1]
  }

  private mutating func oddDescriptor() -> Int32 {
    switch below(6) {
    case 0: return open("/dev/null", O_RDWR | O_CLOEXEC)
    case 1: return open("/", O_RDONLY | O_CLOEXEC)
    // O_PATH, which Glibc's module leaves out.
    case 2: return open("/", 0o10000000 | O_CLOEXEC)
    case 3: return socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    case 4:
      let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      listen(listener, 1)
      return listener
    default: return localEnd()
    }
  }
}

extension RendezvousHeader {
  /// As a message with descriptors has it that are sent by themselves.
  init(kind: RendezvousMessage.Kind, _ payloadByteCount: Int, descriptorCount: Int) {
    self.init(
      RendezvousMessage(
        kind: kind, payload: [UInt8](repeating: 0, count: payloadByteCount),
        descriptors: .borrowed([Int32](repeating: -1, count: descriptorCount))))
  }
}
