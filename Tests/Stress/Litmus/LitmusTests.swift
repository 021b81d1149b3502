import Merino

extension LitmusTest {
  static let all: [LitmusTest] = [
    messageByLock, messageByEvent, messageByFlag, storeBufferingLocks, storeBufferingBarrier,
    independentReads,
    loadBuffering, coherence, causality, causalityReadWrite, racyMessage,
  ]

  static let messageByLock = LitmusTest("message passing, lock", roles: 2) { l, role, i in
    if role == 0 {
      l.x.pointee = i
      l.with(l.a) { l.y.pointee = i }
      return (.nothing, .nothing)
    }
    for _ in 0..<4 {
      let y = l.with(l.a) { l.see(l.y, i) }
      // Only ordered after the write of x if y is new.
      if y != .old { return (y, l.see(l.x, i)) }
    }
    return (.old, .nothing)
  } forbidden: {
    $0[2] == .new && $0[3] != .new
  }

  static let messageByEvent = LitmusTest("message passing, event", roles: 2, alone: true) { l, role, i in
    if role == 0 {
      l.x.pointee = i
      must("set") { () throws(MerinoError) in try l.event.set() }
      return (.nothing, .nothing)
    }
    must("wait") { () throws(MerinoError) in try l.event.wait() }
    let x = l.see(l.x, i)
    must("clear") { () throws(MerinoError) in try l.event.clear() }
    return (x, .nothing)
  } forbidden: {
    $0[2] != .new
  }

  static let messageByFlag = LitmusTest("message passing, fence and atomic flag", roles: 2) { l, role, i in
    if role == 0 {
      l.x.pointee = i
      must("store") { () throws(MerinoError) in try l.cluster.atomicStore(l.flag, i, .release) }
      return (.nothing, .nothing)
    }
    for _ in 0..<50 {
      let flag = must("load") { () throws(MerinoError) in
        try l.cluster.atomicLoad(UnsafePointer(l.flag), .acquire)
      }
      if flag == i { return (.new, l.see(l.x, i)) }
      if flag > i { return (.impossible, .nothing) }
    }
    return (.old, .nothing)
  } forbidden: {
    $0[2] == .new && $0[3] != .new
  }

  static let storeBufferingLocks = LitmusTest("store buffering, locks", roles: 2) { l, role, i in
    let (mine, other) = role == 0 ? (l.a, l.b) : (l.b, l.a)
    let (own, theirs) = role == 0 ? (l.x, l.y) : (l.y, l.x)
    l.with(mine) { own.pointee = i }
    return (l.with(other) { l.see(theirs, i) }, .nothing)
  } forbidden: {
    $0[0] == .old && $0[2] == .old
  }

  /// Every role, and whoever has none, is in the barrier.
  static let storeBufferingBarrier = LitmusTest("store buffering, barrier", roles: 2, inBarrier: true) {
    l, role, i in
    if role == 0 { l.x.pointee = i } else { l.y.pointee = i }
    must("barrier") { () throws(MerinoError) in try l.cluster.barrier() }
    return (l.see(role == 0 ? l.y : l.x, i), .nothing)
  } forbidden: {
    $0[0] != .new || $0[2] != .new
  }

  static let independentReads = LitmusTest("independent reads of independent writes, locks", roles: 4) {
    l, role, i in
    switch role {
    case 0: l.with(l.a) { l.x.pointee = i }
    case 1: l.with(l.b) { l.y.pointee = i }
    case 2:
      let x = l.with(l.a) { l.see(l.x, i) }
      return (x, l.with(l.b) { l.see(l.y, i) })
    default:
      let y = l.with(l.b) { l.see(l.y, i) }
      return (y, l.with(l.a) { l.see(l.x, i) })
    }
    return (.nothing, .nothing)
  } forbidden: {
    $0[4] == .new && $0[5] == .old && $0[6] == .new && $0[7] == .old
  }

  static let loadBuffering = LitmusTest("load buffering, locks", roles: 2) { l, role, i in
    let (first, second) = role == 0 ? (l.a, l.b) : (l.b, l.a)
    let (theirs, own) = role == 0 ? (l.x, l.y) : (l.y, l.x)
    let seen = l.with(first) { l.see(theirs, i) }
    l.with(second) { own.pointee = i }
    return (seen, .nothing)
  } forbidden: {
    $0[0] == .new && $0[2] == .new
  }

  static let coherence = LitmusTest("coherence of one word, lock", roles: 3) { l, role, i in
    if role == 0 {
      l.with(l.a) { l.x.pointee = i }
      return (.nothing, .nothing)
    }
    let first = l.with(l.a) { l.see(l.x, i) }
    return (first, l.with(l.a) { l.see(l.x, i) })
  } forbidden: {
    ($0[2] == .new && $0[3] == .old) || ($0[4] == .new && $0[5] == .old)
  }

  static let causality = LitmusTest("write-to-read causality, locks", roles: 3) { l, role, i in
    switch role {
    case 0: l.with(l.a) { l.x.pointee = i }
    case 1:
      for _ in 0..<4 where l.with(l.a, { l.see(l.x, i) }) == .new {
        l.with(l.b) { l.y.pointee = i }
        break
      }
    default:
      for _ in 0..<6 where l.with(l.b, { l.see(l.y, i) }) == .new { return (.new, l.see(l.x, i)) }
      return (.old, .nothing)
    }
    return (.nothing, .nothing)
  } forbidden: {
    $0[4] == .new && $0[5] != .new
  }

  static let causalityReadWrite = LitmusTest("write-to-read causality, reader-writer lock", roles: 3) {
    l, role, i in
    switch role {
    case 0: l.writing { l.x.pointee = i }
    case 1:
      for _ in 0..<4 where l.reading({ l.see(l.x, i) }) == .new {
        l.with(l.b) { l.y.pointee = i }
        break
      }
    default:
      for _ in 0..<6 where l.with(l.b, { l.see(l.y, i) }) == .new { return (.new, l.see(l.x, i)) }
      return (.old, .nothing)
    }
    return (.nothing, .nothing)
  } forbidden: {
    $0[4] == .new && $0[5] != .new
  }

  /// Not race-free: whatever it sees is allowed, if it was ever written.
  static let racyMessage = LitmusTest("message passing, racy", roles: 2) { l, role, i in
    if role == 0 {
      l.x.pointee = i
      l.y.pointee = i
      must("release") { () throws(MerinoError) in try l.cluster.releaseFence() }
      return (.nothing, .nothing)
    }
    let y = l.see(l.y, i)
    return (y, l.see(l.x, i))
  } forbidden: { _ in
    false
  }
}
