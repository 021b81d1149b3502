import Glibc
import Merino

extension Worker {
  /// Writes the next round of the worker's own bytes of a piece, and checks its own before and those that
  /// nobody writes in this phase.
  mutating func goOver(_ segment: Int, _ piece: Int) {
    let slot = segment * SegmentPlan.pieceCount + piece
    let round = roundsDone[slot]
    roundsDone[slot] += 1
    let view = view(segment)
    let readable = dice.pick(shared.readableViews[segment])
    let key = plan.key(phase: phase, segment: segment, round: round)
    let before = round > 0 ? plan.key(phase: phase, segment: segment, round: round - 1) : nil
    let reserved = plan.segments[segment].reserved
    let checksIdle = dice.oneIn(2)
    let bySystemCall = dice.oneIn(6)
    shared.expected[segment].withUnsafeBufferPointer { expected in
      plan.forEachRun(phase: phase, segment: segment, in: plan.segments[segment].piece(piece)) { run, owner in
        if owner < 0 && checksIdle {
          for offset in run where !reserved[offset >> 3] {
            compare(readable, segment, offset, expected[offset], "byte that nobody writes")
          }
        } else if owner == index {
          for offset in run where !reserved[offset >> 3] {
            compare(
              view, segment, offset, before.map { Plan.byte($0, offset) } ?? expected[offset], "own byte")
          }
          let isPlain = !run.contains { reserved[$0 >> 3] }
          if bySystemCall && run.count >= 64 && isPlain {
            readIn(view, run, key)
          } else {
            write(view, run, key, reserved)
          }
        }
      }
    }
  }

  private func compare(
    _ view: UnsafeMutableRawPointer, _ segment: Int, _ offset: Int, _ expected: UInt8, _ what: String
  ) {
    let found = view.load(fromByteOffset: offset, as: UInt8.self)
    if found == expected { return }
    let again = view.load(fromByteOffset: offset, as: UInt8.self)
    fail(
      "wrong \(what)", segment: segment, at: view + offset, expected: "\(expected)",
      found: "\(found) (then \(again))")
  }

  private func write(_ view: UnsafeMutableRawPointer, _ run: Range<Int>, _ key: UInt64, _ reserved: [Bool]) {
    var offset = run.lowerBound
    while offset < run.upperBound {
      if reserved[offset >> 3] {
        offset = (offset >> 3 + 1) << 3
      } else if offset & 7 == 0 && offset + 8 <= run.upperBound {
        view.storeBytes(of: Hash.mix(key, offset >> 3), toByteOffset: offset, as: UInt64.self)
        offset += 8
      } else {
        view.storeBytes(of: Plan.byte(key, offset), toByteOffset: offset, as: UInt8.self)
        offset += 1
      }
    }
  }

  /// The same by read(2) into the pinned run, which the kernel writes without taking page faults.
  private func readIn(_ view: UnsafeMutableRawPointer, _ run: Range<Int>, _ key: UInt64) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { Failure.report("pipe failed with errno \(errno)") }
    defer {
      close(ends[0])
      close(ends[1])
    }
    var start = run.lowerBound
    while start < run.upperBound {
      let end = min(start + 4096, run.upperBound)
      let bytes = (start..<end).map { Plan.byte(key, $0) }
      guard Glibc.write(ends[1], bytes, bytes.count) == bytes.count else { Failure.report("write to a pipe") }
      let target = UnsafeRawBufferPointer(start: view + start, count: end - start)
      must("pin for read(2)") { () throws(MerinoError) in try cluster.pin(target, writable: true) }
      let count = read(ends[0], view + start, end - start)
      if count != end - start {
        Failure.report("read(2) into pinned pages gave \(count), errno \(errno); replay: \(shared.replay)")
      }
      must("unpin after read(2)") { () throws(MerinoError) in try cluster.unpin(target) }
      start = end
    }
  }
}
