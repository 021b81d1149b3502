/// A vector clock over the application threads of a run.
struct VectorClock {
  static var width: Int { 16 }
  private var entries = SIMD16<UInt32>()

  subscript(thread: Int) -> UInt32 {
    get { entries[thread] }
    set { entries[thread] = newValue }
  }

  mutating func join(_ other: VectorClock) {
    entries.replace(with: other.entries, where: other.entries .> entries)
  }

  /// Whether everything that `other` has seen is seen here.
  func covers(_ other: VectorClock) -> Bool {
    for thread in 0..<Self.width where entries[thread] < other.entries[thread] { return false }
    return true
  }
}

/// The sequential memory: for each byte the last write and who has read it since, with happens-before kept as
/// vector clocks. It says what a load must return, and that the program is free of races (else the
/// program generator is wrong, not the protocol).
final class Oracle {
  private(set) var clocks: [VectorClock]
  private var values: [UInt8]
  /// For each byte its place in `cells` + 1, 0 while nobody has accessed it.
  private var places: [UInt16]
  private var cells: [Cell] = []
  /// Last value that any thread of a node stored at a byte, and whether its home has yet to get it.
  private var unsent: [[UInt16]]

  private struct Cell {
    var writer = -1
    var written: UInt32 = 0
    var reads = VectorClock()
  }

  init(threadCount: Int, nodeCount: Int, byteCount: Int) {
    precondition(threadCount <= VectorClock.width, "more threads than a clock has entries")
    clocks = Array(repeating: VectorClock(), count: threadCount)
    for thread in 0..<threadCount { clocks[thread][thread] = 1 }
    values = Array(repeating: 0, count: byteCount)
    places = Array(repeating: 0, count: byteCount)
    unsent = Array(repeating: Array(repeating: 0, count: byteCount), count: nodeCount)
  }

  /// What the byte holds after the last write.
  func value(_ address: Int) -> UInt8 { values[address] }

  // MARK: Accesses

  /// The thread has loaded `value`: a sentence where that is wrong.
  func loaded(_ thread: Int, _ address: Int, _ value: UInt8) -> String? {
    let place = place(address)
    if let race = race(cells[place], thread, address) { return race }
    cells[place].reads[thread] = clocks[thread][thread]
    if value == values[address] { return nil }
    return "A load of byte \(address) returned \(value), but the last write that happens before it "
      + "(by thread \(cells[place].writer)) stored \(values[address])."
  }

  /// The thread has stored `value`.
  func stored(_ thread: Int, node: Int, _ address: Int, _ value: UInt8) -> String? {
    let place = place(address)
    if let race = race(cells[place], thread, address) { return race }
    if !clocks[thread].covers(cells[place].reads) {
      return "The program is wrong: a write of byte \(address) by thread \(thread) races with a read."
    }
    cells[place] = Cell(writer: thread, written: clocks[thread][thread])
    values[address] = value
    unsent[node][address] = 0x100 | UInt16(value)
    return nil
  }

  /// The byte has been given `value` by what all of `clock` happens after: atomics that are over, or
  /// a new life of freed memory.
  func settle(_ address: Int, _ value: UInt8) {
    values[address] = value
    places[address] = 0
    for node in unsent.indices { unsent[node][address] = 0 }
  }

  private func place(_ address: Int) -> Int {
    if places[address] == 0 {
      cells.append(Cell())
      places[address] = UInt16(cells.count)
    }
    return Int(places[address]) - 1
  }

  private func race(_ cell: Cell, _ thread: Int, _ address: Int) -> String? {
    guard cell.writer >= 0, clocks[thread][cell.writer] < cell.written else { return nil }
    return "The program is wrong: an access to byte \(address) by thread \(thread) races with a write by "
      + "thread \(cell.writer)."
  }

  // MARK: Happens-before

  /// What the thread has done so far happens before whoever joins the result.
  func publish(_ thread: Int, into clock: inout VectorClock) {
    clock.join(clocks[thread])
    clocks[thread][thread] += 1
  }

  func join(_ thread: Int, _ clock: VectorClock) { clocks[thread].join(clock) }

  // MARK: The wire

  /// A node WRITEs bytes into a frame: a sentence where it has not changed one of them.
  func inspectWrite(from node: Int, to target: Int, _ address: Int, _ bytes: UnsafeRawBufferPointer)
    -> String?
  {
    for index in bytes.indices {
      let mine = unsent[node][address + index]
      if mine & 0x100 == 0 {
        return "Node \(node) writes byte \(address + index) into the frame of node \(target) without having "
          + "changed it since it last did."
      }
      // A pinned page may have been written again since the snapshot that this comes from.
      if UInt8(truncatingIfNeeded: mine) == bytes[index] { unsent[node][address + index] = 0 }
    }
    return nil
  }
}
