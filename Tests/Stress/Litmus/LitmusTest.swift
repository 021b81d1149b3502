import Merino

/// A litmus test: what each role does once, what it saw, and which outcomes no race-free program may see.
/// In iteration `i` every write stores `i`.
struct LitmusTest: Sendable {
  let name: String
  let roleCount: Int
  /// Every node passes a barrier in it; so it runs alone, not in a batch.
  let isInBarrier: Bool
  /// Uses what there is only one of.
  let isAlone: Bool
  let body: @Sendable (Litmus, _ role: Int, _ i: UInt64) -> (Seen, Seen)
  /// What the roles saw, two of each; true where that may not be.
  let isForbidden: @Sendable ([Seen]) -> Bool

  init(
    _ name: String, roles: Int, inBarrier: Bool = false, alone: Bool = false,
    _ body: @escaping @Sendable (Litmus, Int, UInt64) -> (Seen, Seen),
    forbidden: @escaping @Sendable ([Seen]) -> Bool
  ) {
    self.name = name
    roleCount = roles
    isInBarrier = inBarrier
    isAlone = alone || inBarrier
    self.body = body
    isForbidden = forbidden
  }
}

/// A word as a role saw it.
enum Seen: UInt64, Sendable {
  /// Not looked at.
  case nothing = 0
  /// A value of an earlier iteration.
  case old = 1
  /// This iteration's.
  case new = 2
  /// None that was ever written by then.
  case impossible = 3
}

/// The words and objects that the tests work on.
struct Litmus: Sendable {
  let cluster: Cluster
  var xAddress: UInt
  var yAddress: UInt
  var flagAddress: UInt
  let a: Lock
  let b: Lock
  let readWrite: ReadWriteLock
  let event: Event

  // In a view that stays attached for the whole run; words that nothing else uses.
  private func pointer(_ address: UInt) -> UnsafeMutablePointer<UInt64> {
    guard let pointer = UnsafeMutablePointer<UInt64>(bitPattern: address) else {
      Failure.report("a litmus test without memory")
    }
    return pointer
  }
  var x: UnsafeMutablePointer<UInt64> { pointer(xAddress) }
  var y: UnsafeMutablePointer<UInt64> { pointer(yAddress) }
  var flag: UnsafeMutablePointer<UInt64> { pointer(flagAddress) }

  static let slotCount = 32

  /// The same on other words of the same pages.
  func slot(_ index: Int) -> Litmus {
    var other = self
    other.xAddress += UInt(index * 8)
    other.yAddress += UInt(index * 8)
    other.flagAddress += UInt(index * 8)
    return other
  }

  func see(_ word: UnsafeMutablePointer<UInt64>, _ i: UInt64) -> Seen { Litmus.classify(word.pointee, i) }

  static func classify(_ value: UInt64, _ i: UInt64) -> Seen {
    value == i ? .new : value < i ? .old : .impossible
  }

  func with<R>(_ lock: Lock, _ body: () -> R) -> R {
    must("take a lock") { () throws(MerinoError) in try lock.acquire() }
    let result = body()
    must("release a lock") { () throws(MerinoError) in try lock.release() }
    return result
  }

  func reading<R>(_ body: () -> R) -> R {
    must("take a lock") { () throws(MerinoError) in try readWrite.acquireForReading() }
    let result = body()
    must("release a lock") { () throws(MerinoError) in try readWrite.release() }
    return result
  }

  func writing<R>(_ body: () -> R) -> R {
    must("take a lock") { () throws(MerinoError) in try readWrite.acquireForWriting() }
    let result = body()
    must("release a lock") { () throws(MerinoError) in try readWrite.release() }
    return result
  }
}
