import Fabric
import Platform

// The network's side: one small step of one connection at a time. A failure is recorded; the scheduler ends
// the run at its next choice.

extension Network {
  /// One of the steps that the connection can do now, if any.
  func step(connection index: Int) {
    let each = connections[index]
    let canComplete = each.completed < each.captured
    let canPlace = each.executed < each.captured
    let canCapture = each.captured < each.submitted && (isWrite(index, each.captured) || !canPlace)
    if each.completed < each.executed, scheduler.random.below(64) < losesAnswers {
      answerAgain(index)
    } else if canComplete, !canPlace && !canCapture || scheduler.random.below(8) < completesFirst {
      complete(index)
    } else if canPlace, !canCapture || scheduler.random.chance(1, in: 2) {
      place(index)
    } else if canCapture {
      isWrite(index, each.captured) ? capture(index) : answer(index)
    } else if canComplete {
      complete(index)
    }
    let now = connections[index]
    if now.executed == now.submitted, now.completed == now.submitted { deactivate(index) }
  }

  /// Whether operations on this connection fail, their target being dead.
  private func isLost(_ index: Int) -> Bool {
    scheduler.deadNode == connections[index].target.number && scheduler.death?.failsOperations == true
  }

  private func isWrite(_ index: Int, _ operation: Int) -> Bool {
    connections[index][operation].pointee.kind == .write
  }

  private func complete(_ index: Int) {
    let number = connections[index].completed
    connections[index].completed += 1
    if let flight = connections[index][number].pointee.flight {
      if isLost(index) { flight.fail(1, peer: connections[index].target) }
      end(of: connections[index].source).completions.append(flight)
    }
    scheduler.idlePauses = 0
    scheduler.idlePausesOfAll = 0
    scheduler.log("    network completes \(name(index)) #\(number)")
  }

  /// Reads (a piece of) a WRITE's source.
  private func capture(_ index: Int) {
    let number = connections[index].captured
    let operation = connections[index][number]
    guard let payload = operation.pointee.payload else { return }
    if operation.pointee.capturePieces.left > 0 {
      let piece = operation.pointee.capturePieces.next()
      (payload + piece.lowerBound).copyMemory(
        from: operation.pointee.local + piece.lowerBound, byteCount: piece.count)
    }
    guard operation.pointee.capturePieces.left == 0 else { return }
    connections[index].captured += 1
    inspect(index, operation.pointee, payload)
    scheduler.log("    network took the source of \(name(index)) #\(number)")
  }

  private func inspect(_ index: Int, _ operation: Operation, _ payload: UnsafeMutableRawPointer) {
    let at = NetworkAddress(operation.remote.address)
    guard at.isFrame, let inspectFrameWrite else { return }
    let bytes = UnsafeRawBufferPointer(start: payload, count: operation.byteCount)
    if let complaint = inspectFrameWrite(connections[index].source, at.node, at.offset, bytes) {
      scheduler.record(complaint)
    }
  }

  /// Places (a piece of) a WRITE at the target.
  private func place(_ index: Int) {
    let number = connections[index].executed
    let operation = connections[index][number]
    guard let payload = operation.pointee.payload, let target = reach(index, operation.pointee) else {
      return
    }
    let piece = operation.pointee.placePieces.next()
    (target + piece.lowerBound).copyMemory(from: payload + piece.lowerBound, byteCount: piece.count)
    scheduler.log("    network places \(name(index)) #\(number) bytes \(piece)")
    guard operation.pointee.placePieces.left == 0 else { return }
    payload.deallocate()
    connections[index].executed += 1
  }

  /// A step of a READ or an atomic; everything before it on the connection has been placed.
  private func answer(_ index: Int) {
    let number = connections[index].captured
    let operation = connections[index][number]
    guard let target = reach(index, operation.pointee) else { return }
    if operation.pointee.kind == .read {
      let piece = operation.pointee.placePieces.next()
      (operation.pointee.local + piece.lowerBound).copyMemory(
        from: target + piece.lowerBound, byteCount: piece.count)
      scheduler.log("    network reads \(name(index)) #\(number) bytes \(piece)")
      guard operation.pointee.placePieces.left == 0 else { return }
    } else {
      guard isAtomicDone(index, operation, target) else { return }
      scheduler.log("    network did \(name(index)) #\(number), found \(operation.pointee.found)")
    }
    connections[index].captured += 1
    connections[index].executed += 1
  }

  /// An answer was lost: the READs that have not completed are executed once more, in order. WRITEs are not
  /// done twice, and an atomic's answer is a repeated one. What is there of the READ that has begun is thrown
  /// away: a device takes answers in their order, so none behind the lost one.
  private func answerAgain(_ index: Int) {
    for number in connections[index].completed..<connections[index].executed {
      let operation = connections[index][number].pointee
      guard operation.kind == .read, let target = reach(index, operation) else { continue }
      operation.local.copyMemory(from: target, byteCount: operation.byteCount)
      scheduler.log("    network reads \(name(index)) #\(number) again")
    }
    let begun = connections[index].executed
    guard begun == connections[index].captured, begun < connections[index].submitted,
      connections[index][begun].pointee.kind == .read
    else { return }
    let operation = connections[index][begun]
    operation.pointee.placePieces = Pieces(
      operation.pointee.byteCount, isTearable: false, unit: 1, &scheduler.random)
  }

  /// One or both steps of an atomic; true after the second.
  private func isAtomicDone(
    _ index: Int, _ operation: UnsafeMutablePointer<Operation>, _ target: UnsafeMutableRawPointer
  ) -> Bool {
    let end = end(of: connections[index].target)
    if end.atomicUnit >= 0, end.atomicUnit != index { return false }
    if !operation.pointee.isHalfDone {
      end.atomicUnit = index
      operation.pointee.found = target.load(as: UInt64.self)
      operation.pointee.isHalfDone = true
      if scheduler.random.chance(1, in: 2) { return false }
    }
    let found = operation.pointee.found
    if operation.pointee.kind == .fetchAdd {
      target.storeBytes(of: found &+ operation.pointee.operand, as: UInt64.self)
    } else if found == operation.pointee.expected {
      target.storeBytes(of: operation.pointee.operand, as: UInt64.self)
    }
    operation.pointee.local.storeBytes(of: found, as: UInt64.self)
    end.atomicUnit = -1
    return true
  }

  /// The target's memory, if the key admits to it at this moment.
  private func reach(_ index: Int, _ operation: Operation) -> UnsafeMutableRawPointer? {
    if let memory = end(of: connections[index].target).admit(operation.remote, operation.byteCount) {
      return memory
    }
    scheduler.record(
      "Access with a bad key on \(name(index)): \(operation), key \(operation.remote.key), posted by "
        + "\(operation.poster < 0 ? "nobody" : scheduler.names[Int(operation.poster)]).")
    return nil
  }
}
