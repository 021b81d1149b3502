import Fabric
import Platform

// The poster's side: batches, and the rules that posters keep.

extension Network {
  func open(_ source: NodeID, _ target: NodeID, _ lane: Lane) -> Int {
    guard target.isOne(of: shape.nodeCount), lane.isOne(of: shape.laneCount) else {
      scheduler.fail(
        "A batch was opened from node \(source) to node \(target), lane \(lane): no such connection.")
    }
    let index = connection(source, target, lane)
    let thread = scheduler.current
    if thread >= 0 {
      if scheduler.threads[thread].openConnection >= 0 {
        scheduler.fail("A thread opened a batch on \(name(index)) with another one still open.")
      }
      if scheduler.threads[thread].criticalDepth == 0 {
        scheduler.fail("A batch on \(name(index)) was opened outside a critical section.")
      }
    }
    scheduler.point()
    while connections[index].postingThread >= 0 { scheduler.pause() }
    connections[index].postingThread = max(thread, 0)
    if thread >= 0 { scheduler.threads[thread].openConnection = index }
    return index
  }

  func post(
    _ index: Int, _ kind: Operation.Kind, _ remote: RemoteAddress, _ local: UnsafeMutableRawPointer,
    _ byteCount: Int, expected: UInt64 = 0, operand: UInt64 = 0
  ) {
    let thread = scheduler.current
    if thread >= 0, scheduler.threads[thread].openConnection != index {
      scheduler.fail("An operation was added to a batch on \(name(index)) that its thread has not open.")
    }
    let isInline = kind == .write && byteCount <= shape.inlineLimit
    check(index, kind, remote, local, byteCount, isInline)
    var payload: UnsafeMutableRawPointer?
    if kind == .write {
      let made = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 8)
      if isInline { made.copyMemory(from: local, byteCount: byteCount) }
      payload = made
    }
    let isTearable = Operation.isTearable(remote.address, byteCount)
    let unit = Operation.cutUnit(remote.address, byteCount)
    let operation = Operation(
      kind: kind, isInline: isInline, poster: Int32(thread), byteCount: byteCount, remote: remote,
      local: local,
      payload: payload, expected: expected, operand: operand,
      capturePieces: kind == .write && !isInline
        ? Pieces(byteCount, isTearable: isTearable, unit: unit, &scheduler.random) : .whole,
      placePieces: Pieces(byteCount, isTearable: isTearable, unit: unit, &scheduler.random))
    connections[index].append(operation)
    operationCount += 1
    scheduler.log("posts on \(name(index)) #\(connections[index].posted - 1) \(operation)")
    scheduler.point()
  }

  private func check(
    _ index: Int, _ kind: Operation.Kind, _ remote: RemoteAddress, _ local: UnsafeMutableRawPointer,
    _ byteCount: Int, _ isInline: Bool
  ) {
    let (source, target) = (connections[index].source, connections[index].target)
    let at = NetworkAddress(remote.address)
    if byteCount <= 0 {
      scheduler.fail("\(kind) of \(byteCount) bytes on \(name(index)).")
    }
    if at.node != target {
      scheduler.fail("\(kind) on \(name(index)) names an address of another node: \(at).")
    }
    if !isInline, !end(of: source).holdsBuffer(local, byteCount) {
      scheduler.fail(
        "\(kind) of \(byteCount) bytes on \(name(index)) has its local buffer outside registered memory.")
    }
    if kind == .compareAndSwap || kind == .fetchAdd,
      remote.address & 7 != 0 || Int(bitPattern: local) & 7 != 0
    {
      scheduler.fail("\(kind) on \(name(index)) is not aligned to 8 bytes.")
    }
  }

  func submit(_ index: Int, _ flight: Flight) {
    let thread = scheduler.current
    if thread >= 0, scheduler.threads[thread].openConnection != index {
      scheduler.fail("A batch was submitted on \(name(index)) that its thread has not open.")
    }
    let (first, end) = (connections[index].submitted, connections[index].posted)
    if end > first {
      flight.pending.fetchAdd(UInt64(end - first))
      for operation in first..<end { connections[index][operation].pointee.flight = flight }
      connections[index].submitted = end
      activate(index)
      if shape.isMapped { finish(index) }
    }
    connections[index].postingThread = -1
    if thread >= 0 { scheduler.threads[thread].openConnection = -1 }
    scheduler.point()
  }

  /// All that was submitted, with nobody in between. What fails fails as it would elsewhere.
  private func finish(_ index: Int) {
    // What is refused does not go on: the run ends at the scheduler's next choice.
    for _ in 0..<100_000 {
      let each = connections[index]
      if each.executed == each.submitted && each.completed == each.submitted { return }
      step(connection: index)
    }
  }

  /// Counts completed operations down; some or all of those that there are.
  func poll(_ node: NodeID) {
    if scheduler.current >= 0, !scheduler.isCritical {
      scheduler.fail("A thread polled outside a critical section.")
    }
    scheduler.point(isWaiting: true)
    let end = end(of: node)
    let count = end.completions.count - end.firstCompletion
    if count == 0 { return }
    let seen = scheduler.random.chance(1, in: 2) ? count : scheduler.random.within(0...count)
    for index in end.firstCompletion..<end.firstCompletion + seen {
      end.completions[index].pending.fetchAdd(~0)
    }
    end.firstCompletion += seen
    if end.firstCompletion == end.completions.count {
      end.completions.removeAll(keepingCapacity: true)
      end.firstCompletion = 0
    }
  }
}
