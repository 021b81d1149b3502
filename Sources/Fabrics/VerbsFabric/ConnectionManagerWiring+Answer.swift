import Fabric
import Platform
import Verbs

// The listening side: who is let in.

extension ConnectionManagerWiring {
  /// A request for a connection: accepted from nodes of the job that this one does not call itself.
  func answer(
    _ event: consuming ConnectionEvent, _ domain: ProtectionDomain, _ queue: CompletionQueue,
    _ capacity: QueuePairCapacity
  ) throws(VerbsFabricError) {
    let privateData = event.privateData
    var offer = ConnectionOffer(answering: event, limit: readsLimit)
    offer.receiverNotReadyRetryCount = 7
    guard let request = event.takeRequest() else { return }
    guard let (peer, lane) = greeting.sender(privateData), isAwaited(peer, lane) else {
      let from = (try? request.peerAddress())?.description ?? "an unknown address"
      let isStranger = greeting.sender(privateData) == nil
      let why = isStranger ? "did not show the job's secret" : "nobody awaits, or has already"
      // Strangers can make any number of them.
      if refusals.count < 16 { refusals.append("refused a connection from \(from), which \(why)") }
      try? request.reject()
      return
    }
    let id = request.id
    let connection = Connection(request, peer: peer, lane: lane, isActive: false)
    let (settings, answer) = (settings, offer)
    try verbs("accept the connection of node \(peer)") { () throws(VerbsError) in
      try connection.identifier.createQueuePair(domain, send: queue, receive: queue, capacity: capacity)
      if let exponent = settings.acknowledgeTimeoutExponent {
        try connection.identifier.setAcknowledgeTimeout(exponent: exponent)
      }
      try connection.identifier.accept(answer)
    }
    connections[id] = connection
    if peer != node { ends[settings.connection(peer, lane)] = connection }
  }

  /// Of a node that this one does not call itself, and not connected yet: who repeats a request with a secret
  /// that it overheard gets nothing.
  private func isAwaited(_ peer: NodeID, _ lane: Lane) -> Bool {
    guard peer >= node, peer.isOne(of: nodeCount), lane.isOne(of: settings.laneCount) else { return false }
    if peer != node { return ends[settings.connection(peer, lane)] == nil }
    return !connections.values.contains { !$0.isActive && $0.peer == node && $0.lane == lane }
  }
}
