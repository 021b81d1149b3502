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

  /// All nodes are in, and with them every outpost that has some: whoever comes now finds the port closed.
  /// Those on their way in are told so.
  func closeEntrance() {
    let proven = entrance?.giveUpProven() ?? []
    entrance = nil
    for channel in proven { farewell(channel, allTaken()) }
    let unclaimed = unclaimedEvents
    unclaimedEvents = []
    for events in unclaimed {
      events.timer?.cancel()
      farewell(events.channel, allTaken())
    }
  }

  private func serveFirst(_ message: RendezvousMessage, of channel: MessageChannel) {
    switch message.kind {
    case .hello: serveHello(message, over: channel)
    case .attachEvents: attachEvents(message.payload, channel)
    case .outpostHello: serveOutpost(message, of: channel)
    default: farewell(channel, MessageReader.malformed)
    }
  }

  /// Held until it has read why, and not for ever.
  private func farewell(_ channel: MessageChannel, _ error: BootstrapError) {
    // In bounds: the limit is above 0.
    if departing.count >= TCPEntrance.guestLimit(nodeCount: nodeCount) { departing.removeFirst().close() }
    departing.append(channel)
    channel.onMessage = { _ in }
    channel.onClosed = { [weak self, weak channel] _ in self?.departing.removeAll { $0 === channel } }
    channel.giveUp(error)
  }

  private func serveHello(_ message: RendezvousMessage, over channel: MessageChannel) {
    let connection = ServerConnection(proven: channel, loop: loop)
    adopt(connection)
    guard let hello = Hello(message) else { return refuse(connection, MessageReader.malformed) }
    if let events = claimEvents(hello.eventsToken) {
      connection.process = hello.member.processID
      return admit(hello, connection, events: events)
    }
    // Another version is told so; else its events connection must be here.
    refuse(connection, objection(to: hello, connection) ?? MessageReader.malformed)
  }

  private func claimEvents(_ token: [UInt8]) -> MessageChannel? {
    let claimed = unclaimedEvents.first { $0.token == token }
    unclaimedEvents.removeAll { $0 === claimed }
    claimed?.timer?.cancel()
    return claimed?.channel
  }

  private func attachEvents(_ token: [UInt8], _ channel: MessageChannel) {
    guard token.count == Hello.tokenByteCount, !unclaimedEvents.contains(where: { $0.token == token }) else {
      return farewell(channel, MessageReader.malformed)
    }
    // Each node has one.
    if unclaimedEvents.count >= TCPEntrance.guestLimit(nodeCount: nodeCount) {
      // In bounds: the limit is above 0.
      unclaimedEvents.removeFirst().channel.close()
    }
    channel.boundSending()
    let unclaimed = UnclaimedEvents(token, channel)
    unclaimedEvents.append(unclaimed)
    channel.onClosed = { [weak self, weak unclaimed] _ in
      self?.unclaimedEvents.removeAll { $0 === unclaimed }
    }
    channel.onMessage = { [weak self, weak unclaimed] message in
      guard let self, let unclaimed else { return }
      unclaimedEvents.removeAll { $0 === unclaimed }
      farewell(
        unclaimed.channel, .violation("sent \(message.kind) on an events channel that no node has claimed"))
    }
    channel.send(RendezvousMessage(kind: .answer))
    unclaimed.timer = loop.after(milliseconds: Handshake.secondTimeLimitMilliseconds) {
      [weak self, weak unclaimed] in
      guard let self, let unclaimed, unclaimedEvents.contains(where: { $0 === unclaimed }) else { return }
      unclaimedEvents.removeAll { $0 === unclaimed }
      unclaimed.channel.close()
    }
  }

  private func serveOutpost(_ message: RendezvousMessage, of channel: MessageChannel) {
    guard let hello = OutpostHello(message) else {
      return farewell(
        channel,
        BootstrapError(
          .refused,
          "merino on the other host speaks another version of the rendezvous protocol; use merino of one "
            + "build."
        ))
    }
    let nodes: [Int]
    do throws(BootstrapError) {
      nodes = try places(for: hello)
    } catch {
      return farewell(channel, error)
    }
    channel.boundSending()
    channel.expect(.report)
    let outpost = Outpost(hello, nodes: nodes, channel)
    for node in nodes { slots[node].owner = .outpost }
    channel.onMessage = { [weak self, weak outpost, weak channel] message in
      guard let outpost else { return }
      guard let said = OutpostReport(message) else {
        channel?.giveUp(.violation("sent \(message.kind), which is no report of a host"))
        return
      }
      self?.report(.outpostSaid(outpost, said))
    }
    channel.onClosed = { [weak self, weak outpost] reason in
      if let outpost { self?.report(.outpostClosed(outpost, reason: reason?.description)) }
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
    guard takesOutposts else {
      throw BootstrapError(
        .refused,
        "the nodes of this job are started by another launcher; merino run --join has no part in it.")
    }
    if let entry = hello.entry {
      guard entryNodes.indices.contains(entry), let first = entryNodes[entry].first,
        slots[first].owner == .entry(entry)
      else {
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
