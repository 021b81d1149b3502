import Fabric

/// An operation on its way, from the post until it is both executed and completed.
struct Operation {
  enum Kind: UInt8 { case read, write, compareAndSwap, fetchAdd }

  let kind: Kind
  let isInline: Bool
  let poster: Int32
  let byteCount: Int
  let remote: RemoteAddress
  /// The buffer at the poster: target of a READ or an atomic's old value, source of a WRITE.
  let local: UnsafeMutableRawPointer
  /// What a WRITE carries, from the moment its source is read until it is placed. Owned.
  let payload: UnsafeMutableRawPointer?
  /// A CAS's expected value.
  let expected: UInt64
  /// A CAS's desired value, or what a fetch-add adds.
  let operand: UInt64
  var flight: Flight?
  /// The word as an atomic found it, between its two steps.
  var found: UInt64 = 0
  var isHalfDone = false
  var capturePieces: Pieces
  var placePieces: Pieces

  /// Transfers of words to or from control memory are cut between the words, all others at any byte.
  static func cutUnit(_ address: UInt64, _ byteCount: Int) -> Int {
    let isWords = address & 7 == 0 && byteCount & 7 == 0 && !NetworkAddress(address).isFrame
    return isWords ? 8 : 1
  }

  /// In an aligned word of 8 bytes nothing is torn.
  static func isTearable(_ address: UInt64, _ byteCount: Int) -> Bool {
    byteCount > 0 && (byteCount > 8 || address >> 3 != (address &+ UInt64(byteCount) &- 1) >> 3)
  }
}

extension Operation: CustomStringConvertible {
  var description: String {
    switch kind {
    case .read: "READ \(byteCount) bytes from \(NetworkAddress(remote.address))"
    case .write: "WRITE \(byteCount) bytes to \(NetworkAddress(remote.address))\(isInline ? " inline" : "")"
    case .compareAndSwap: "CAS \(expected)->\(operand) at \(NetworkAddress(remote.address))"
    case .fetchAdd: "ADD \(operand) at \(NetworkAddress(remote.address))"
    }
  }
}

/// A transfer cut in up to four pieces, done in any order with others' steps in between.
struct Pieces {
  private var bounds: (Int, Int, Int, Int, Int)
  private var order: UInt32
  private(set) var left: Int

  static let whole = Pieces()

  private init() {
    bounds = (0, 0, 0, 0, 0)
    order = 0
    left = 0
  }

  /// `count` bytes, cut at multiples of `unit`: in one piece half of the time.
  init(_ count: Int, isTearable: Bool, unit: Int, _ random: inout Random) {
    bounds = (0, count, count, count, count)
    order = 0x3210
    left = 1
    guard isTearable, random.chance(1, in: 2) else { return }
    left = random.within(2...4)
    let cuts = count / unit + 1
    let a = random.below(cuts) * unit, b = random.below(cuts) * unit, c = random.below(cuts) * unit
    bounds.1 = min(a, b, c)
    bounds.3 = max(a, b, c)
    bounds.2 = a + b + c - bounds.1 - bounds.3
    if left < 4 { bounds.3 = count }
    if left < 3 { bounds.2 = count }
    bounds.4 = count
    switch random.below(3) {
    case 0: break
    case 1: order = left == 2 ? 0x01 : left == 3 ? 0x012 : 0x0123
    default: order = left == 2 ? 0x01 : left == 3 ? 0x102 : 0x2031
    }
  }

  /// The next piece, as offsets.
  mutating func next() -> Range<Int> {
    left -= 1
    let piece = order & 0xF
    order >>= 4
    switch piece {
    case 0: return bounds.0..<bounds.1
    case 1: return bounds.1..<bounds.2
    case 2: return bounds.2..<bounds.3
    default: return bounds.3..<bounds.4
    }
  }
}
