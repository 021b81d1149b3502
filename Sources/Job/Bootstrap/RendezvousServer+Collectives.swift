/// Exchanges and barriers: everybody asks for the same, then everybody is answered.
extension RendezvousServer {
  func serveQuestion(_ question: RendezvousMessage, of node: Int, _ connection: ServerConnection) {
    if let failure = failure ?? someoneHasLeft() {
      slots[node].connection?.send(RendezvousMessage(.failure, failure))
      return
    }
    guard allHaveJoined, slots[node].question == nil else {
      return connection.giveUp(.violation("asked for something before it was answered"))
    }
    slots[node].question = question
    if let mismatch = mismatch(with: node) { return fail(mismatch) }
    guard slots.allSatisfy({ $0.question != nil }) else { return }
    answerAll()
  }

  private func someoneHasLeft() -> BootstrapError? {
    slots.firstIndex { $0.state == .left }.map(Self.hasLeft)
  }

  /// Answers those who wait with a failure; later questions are looked at anew.
  func failWaiting(_ error: BootstrapError) {
    for node in slots.indices.reversed() where slots[node].question != nil {
      slots[node].question = nil
      slots[node].connection?.send(RendezvousMessage(.failure, error))
    }
  }

  /// Nodes that call different things would wait for each other or misread each other for ever.
  private func mismatch(with node: Int) -> BootstrapError? {
    guard let mine = slots[node].question,
      let other = slots.indices.first(where: { $0 != node && slots[$0].question != nil }),
      let theirs = slots[other].question
    else { return nil }
    if mine.kind != theirs.kind {
      return BootstrapError(
        .mismatch, node: node,
        "node \(node) called \(mine.kind.name) while node \(other) called \(theirs.kind.name); every node "
          + "must make the same collective calls in the same order.")
    }
    let (mineCount, theirCount) = (mine.descriptors.numbers.count, theirs.descriptors.numbers.count)
    guard mineCount == theirCount else {
      return BootstrapError(
        .mismatch, node: node,
        "node \(node) gave \(mineCount) descriptors to an exchange and node \(other) gave \(theirCount); "
          + "every node must give the same number.")
    }
    return nil
  }

  private func answerAll() {
    let questions = slots.compactMap(\.question)
    // In range: of each node 16 MiB at most.
    let byteCount = questions.reduce(0) { $0 + $1.payload.count + 8 }
    guard byteCount <= RendezvousMessage.byteLimit else {
      return failWaiting(
        BootstrapError(
          .limitExceeded,
          "the nodes gave \(byteCount) bytes to one exchange; together they may give "
            + "\(RendezvousMessage.byteLimit)."))
    }
    var answer = RendezvousMessage(kind: .answer)
    if questions.first?.kind == .exchange { answer.payload = Contributions.encode(questions.map(\.payload)) }
    // One set for all answers; the questions, who own the descriptors, must outlive them: they are
    // taken over, and closed when the last answer is sent.
    answer.descriptors = .owned(questions.flatMap { $0.descriptors.take() })
    // A loss that shows while they are answered has answered the rest.
    for node in slots.indices.reversed() where slots[node].question != nil {
      slots[node].question = nil
      slots[node].connection?.send(answer)
    }
  }
}
