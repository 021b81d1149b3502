import Glibc

/// The launcher's end of an outpost.
package final class Outpost {
  package let hostName: String
  package let entry: Int?
  package let nodes: [Int]
  private let channel: MessageChannel

  init(_ hello: OutpostHello, nodes: [Int], _ channel: MessageChannel) {
    hostName = hello.hostName
    entry = hello.entry
    self.nodes = nodes
    self.channel = channel
  }

  package func order(_ order: OutpostOrder) {
    if case .over = order { return channel.sendAndClose(order.message()) }
    channel.send(order.message())
  }

  /// Takes what it has said and nobody has looked at yet.
  package func hear() { channel.receive() }
  package func close() { channel.close() }
}

/// The outpost's end: its connection to the launcher.
package final class OutpostLink {
  package let welcome: OutpostWelcome
  /// Where the launcher was reached.
  package let address: HostAndPort
  private let channel: MessageChannel

  package var onOrder: (OutpostOrder) -> Void = { _ in }
  /// The launcher is gone; called once.
  package var onClosed: () -> Void = {}

  /// Goes through the addresses until a rendezvous that knows the secret answers at one of them.
  package init(
    _ addresses: [HostAndPort], secret: [UInt8], hello: OutpostHello, loop: EventLoop
  ) throws(BootstrapError) {
    let (address, connection) = try TCPConnecting.connect(toOneOf: addresses, secret: secret)
    let socket = connection.socket
    var calls = CallChannel(proven: socket)
    try calls.send(hello.message())
    guard let answer = try calls.receive(withinMilliseconds: Handshake.timeLimitMilliseconds),
      let welcome = OutpostWelcome(answer)
    else { throw MessageReader.malformed }
    self.welcome = welcome
    self.address = address
    // The call channel closes its descriptor; nothing more than the answer has been read from it.
    let copy = fcntl(socket, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else { throw .system("duplicate the connection to the launcher", "fcntl") }
    channel = MessageChannel(copy, loop: loop, stepByteCount: 4096, limits: .report)
    channel.onMessage = { [weak self] message in
      guard let self else { return }
      guard let order = OutpostOrder(message) else {
        return channel.giveUp(.violation("sent \(message.kind), which is no order to a host"))
      }
      onOrder(order)
    }
    channel.onClosed = { [weak self] _ in self?.onClosed() }
  }

  package func report(_ report: OutpostReport) { channel.send(report.message()) }
}
