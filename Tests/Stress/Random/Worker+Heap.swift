import Merino

// Blocks of the heap that pass from node to node through mailboxes: whoever finds one checks it and frees or
// resizes it; whoever finds none puts one there.
extension Worker {
  private func word(_ box: MailboxPlan, _ index: Int, _ view: UnsafeMutableRawPointer)
    -> UnsafeMutablePointer<UInt64>
  {
    (view + box.words[index] * 8).assumingMemoryBound(to: UInt64.self)
  }

  mutating func mail(_ box: MailboxPlan) {
    let view = view(0)
    let lock = shared.mailboxLocks[box.index]
    must("take a mailbox's lock") { () throws(MerinoError) in try lock.acquire() }
    let address = word(box, 0, view)
    if let block = UnsafeMutableRawPointer(bitPattern: UInt(address.pointee)) {
      let count = Int(word(box, 1, view).pointee)
      let tag = word(box, 2, view).pointee
      verify(block, 0..<count, tag, "block found in a mailbox")
      if dice.oneIn(4) {
        resize(block, count, tag, box, view)
      } else {
        must("free a block") { () throws(MerinoError) in try cluster.free(block) }
        address.pointee = 0
      }
    } else {
      fill(box, view)
    }
    must("release a mailbox's lock") { () throws(MerinoError) in try lock.release() }
  }

  private mutating func size() -> Int {
    switch dice.below(8) {
    case 0: 1 + dice.below(60_000)
    case 1, 2: 1 + dice.below(3000)
    default: 1 + dice.below(200)
    }
  }

  private mutating func fill(_ box: MailboxPlan, _ view: UnsafeMutableRawPointer) {
    let count = size()
    let isZeroed = dice.oneIn(2)
    let block = must("allocate \(count) bytes") { () throws(MerinoError) in
      isZeroed ? try cluster.allocateZeroed(byteCount: count) : try cluster.allocate(byteCount: count)
    }
    if isZeroed {
      for offset in 0..<count where block.load(fromByteOffset: offset, as: UInt8.self) != 0 {
        failBlock("zeroed block that is not zero", block, offset, "0")
      }
    }
    let tag = dice.next()
    write(block, 0..<count, tag)
    word(box, 0, view).pointee = UInt64(UInt(bitPattern: block))
    word(box, 1, view).pointee = UInt64(count)
    word(box, 2, view).pointee = tag
  }

  private mutating func resize(
    _ block: UnsafeMutableRawPointer, _ count: Int, _ tag: UInt64, _ box: MailboxPlan,
    _ view: UnsafeMutableRawPointer
  ) {
    let larger = size()
    let moved = must("reallocate") { () throws(MerinoError) in
      try cluster.reallocate(block, byteCount: larger)
    }
    verify(moved, 0..<min(count, larger), tag, "block after a reallocation")
    if larger > count { write(moved, count..<larger, tag) }
    word(box, 0, view).pointee = UInt64(UInt(bitPattern: moved))
    word(box, 1, view).pointee = UInt64(larger)
  }

  private func write(_ block: UnsafeMutableRawPointer, _ range: Range<Int>, _ tag: UInt64) {
    for offset in range {
      block.storeBytes(of: Plan.byte(tag, offset), toByteOffset: offset, as: UInt8.self)
    }
  }

  private func verify(_ block: UnsafeMutableRawPointer, _ range: Range<Int>, _ tag: UInt64, _ what: String) {
    for offset in range {
      let expected = Plan.byte(tag, offset)
      if block.load(fromByteOffset: offset, as: UInt8.self) != expected {
        failBlock(what, block, offset, "\(expected)")
      }
    }
  }

  private func failBlock(
    _ what: String, _ block: UnsafeMutableRawPointer, _ offset: Int, _ expected: String
  ) -> Never {
    let found = block.load(fromByteOffset: offset, as: UInt8.self)
    fail(
      "wrong byte \(offset) of a \(what)", segment: 0, at: block + offset, expected: expected,
      found: "\(found)")
  }

  /// After the last phase, at node 0: what is left is checked and freed.
  mutating func drainMailboxes() {
    guard cluster.node == 0 else { return }
    let view = view(0)
    for box in plan.mailboxes {
      guard let block = UnsafeMutableRawPointer(bitPattern: UInt(word(box, 0, view).pointee)) else {
        continue
      }
      verify(
        block, 0..<Int(word(box, 1, view).pointee), word(box, 2, view).pointee, "block left in a mailbox")
      must("free a block") { () throws(MerinoError) in try cluster.free(block) }
    }
  }
}
