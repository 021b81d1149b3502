/// Those who come over TCP: nodes and outposts.
extension RendezvousServer {
  /// Beside the socket. The job's secret is from now on derived from the file's.
  ///
  /// - Parameter host: `nil` for every address of this host.
  package func listen(host: String?, port: UInt16, secret fileSecret: [UInt8]) throws(BootstrapError)
    -> UInt16
  {
    let entrance = try TCPEntrance(
      loop: loop, host: host, port: port, nodeCount: nodeCount, secret: fileSecret)
    secret = Handshake.jobSecret(secret: fileSecret, jobNonce: entrance.jobNonce)
    entrance.onFirstMessage = { [weak self] channel, message in self?.serveFirst(message, of: channel) }
    self.entrance = entrance
    return entrance.port
  }

  private func serveFirst(_ message: RendezvousMessage, of channel: MessageChannel) {
    switch message.kind {
    case .hello: serveHello(message, over: channel)
    case .attachEvents: attachEvents(message.payload, channel)
    case .outpostHello: serveOutpost(message, of: channel)
    default: farewell(channel, MessageReader.malformed)
    }
  }

  /// Held until it has read why.
  private func farewell(_ channel: MessageChannel, _ error: BootstrapError) {
    departing.append(channel)
    channel.onClosed = { [weak self, unowned channel] _ in self?.departing.removeAll { $0 === channel } }
    channel.sendAndClose(RendezvousMessage(.failure, error))
  }

  private func serveHello(_ message: RendezvousMessage, over channel: MessageChannel) {
    let connection = ServerConnection(proven: channel, loop: loop)
    adopt(connection)
    if let hello = Hello(message), let events = unclaimedEvents.removeValue(forKey: hello.eventsToken) {
      connection.process = hello.member.processID
      return admit(hello, connection, events: events)
    }
    // Another version is told so; else its events connection must be here.
    if let hello = Hello(message), let objection = objection(to: hello, connection) {
      return connection.sendAndClose(RendezvousMessage(.failure, objection))
    }
    connection.sendAndClose(RendezvousMessage(.failure, MessageReader.malformed))
  }

  private func attachEvents(_ token: [UInt8], _ channel: MessageChannel) {
    guard token.count == Hello.tokenByteCount, unclaimedEvents[token] == nil else {
      return farewell(channel, MessageReader.malformed)
    }
    channel.boundSending()
    unclaimedEvents[token] = channel
    channel.onClosed = { [weak self] _ in self?.unclaimedEvents[token] = nil }
    channel.send(RendezvousMessage(kind: .answer))
    loop.after(milliseconds: 2 * Handshake.timeLimitMilliseconds) { [weak self] in
      self?.unclaimedEvents.removeValue(forKey: token)?.close()
    }
  }

  private func serveOutpost(_ message: RendezvousMessage, of channel: MessageChannel) {
    guard let hello = OutpostHello(message) else {
      return farewell(
        channel,
        BootstrapError(
          .refused,
          "merino on the other host speaks another version of the rendezvous protocol; use merino of one build."
        ))
    }
    let nodes: [Int]
    do throws(BootstrapError) {
      nodes = try places(for: hello)
    } catch {
      return farewell(channel, error)
    }
    channel.boundSending()
    let outpost = Outpost(hello, nodes: nodes, channel)
    for node in nodes { slots[node].owner = .outpost }
    channel.onMessage = { [weak self, unowned outpost] message in
      guard let said = OutpostReport(message) else { return }
      self?.report(.outpostSaid(outpost, said))
    }
    channel.onClosed = { [weak self, unowned outpost] reason in
      self?.report(.outpostClosed(outpost, reason: reason?.description))
    }
    channel.send(
      OutpostWelcome(
        nodes: nodes, nodeCount: nodeCount, joinTimeoutMilliseconds: joinTimeoutMilliseconds,
        fabric: fabricForOutposts
      ).message())
    report(.outpostJoined(outpost))
  }

  private func places(for hello: OutpostHello) throws(BootstrapError) -> [Int] {
    if let failure { throw failure }
    if let entry = hello.entry {
      guard entryNodes.indices.contains(entry), slots[entryNodes[entry][0]].owner == .entry(entry) else {
        throw BootstrapError(.refused, "this job does not wait for a host \(entry), or not any more.")
      }
      return entryNodes[entry]
    }
    let free = slots.indices.filter { slots[$0].owner == .anyone && slots[$0].state == .absent }
    guard hello.nodeCount > 0, hello.nodeCount <= free.count else {
      throw BootstrapError(
        .refused,
        "host \(hello.hostName) wants to start \(hello.nodeCount) nodes, and of the job's \(nodeCount) only "
          + "\(free.count) are not taken yet; give fewer with -n, or the job more.")
    }
    return Array(free.prefix(hello.nodeCount))
  }
}
