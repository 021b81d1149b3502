import Coherence
import Node

/// Broadcast and reduction of small values, through a mailbox in every node's control memory.
///
/// A node writes its mailbox, all meet in a barrier, and all read. Two mailboxes in turn: who writes one
/// again has passed a barrier that everybody entered after reading it.
struct Collectives {
  /// Words of the header: what the call is, its arguments, the words behind it, and the barriers so far.
  static let headerWordCount = 5
  /// Words of a mailbox.
  private static let mailboxWordCount = 512
  /// Bytes of values that one round carries, behind the header.
  static let payloadByteCount = (mailboxWordCount - headerWordCount) * 8
  /// Words of control memory.
  static let wordCount = 2 * mailboxWordCount

  let engine: NodeEngine
  let words: LockedWords
  /// - Parameter words: at least `wordCount`.
  init(engine: NodeEngine, words: LockedWords) {
    self.engine = engine
    self.words = words
  }

  /// What a collective call is: must be the same on all nodes.
  struct Call {
    /// Which function.
    let function: UInt64
    /// Its arguments, as far as they must agree.
    let arguments: (UInt64, UInt64)
  }

  /// Everybody's values: `values` of this node, given to `body` in node order. Throws on all nodes where
  /// `call` or the number of values is not the same everywhere.
  func exchange(
    _ values: [UInt64], from nodes: Range<Int>, _ call: Call, _ attempt: String,
    _ body: (Int, [UInt64]) -> Void
  ) throws(MerinoError) {
    let engine = engine
    // Barriers passed so far: the same on all nodes. A node that called merino_barrier instead leaves an
    // older mailbox behind, with another count.
    let position = engine.count(.barriers)
    let header = [call.function, call.arguments.0, call.arguments.1, UInt64(values.count), position]
    let mailbox = words.words(
      Int(position % 2) * Self.mailboxWordCount, count: Self.mailboxWordCount)
    try attempting(attempt) { () throws(EngineError) in
      try engine.writeControl(engine.node, mailbox, header + values)
      try engine.barrier()
    }
    for peer in engine.configuration.nodes {
      let theirs = try attempting(attempt) { () throws(EngineError) in
        try engine.readControl(peer, mailbox.words(0, count: Self.headerWordCount))
      }
      guard theirs == header else {
        throw MerinoError(
          .mismatch,
          "could not \(attempt): node \(peer) called it with other arguments than node \(engine.node), or "
            + "called another collective function.")
      }
      guard nodes.contains(peer.number) else { continue }
      let words = try attempting(attempt) { () throws(EngineError) in
        try engine.readControl(peer, mailbox.words(Self.headerWordCount, count: values.count))
      }
      body(peer.number, words)
    }
  }
}

/// How `Cluster.allReduce` combines the values of the nodes.
public enum Reduction: Int32, Sendable, CaseIterable {
  /// The sum; of integers modulo 2^64.
  case sum = 0
  /// The product; of integers modulo 2^64.
  case product = 1
  /// The smallest.
  case minimum = 2
  /// The largest.
  case maximum = 3
  /// The bitwise and, of integers only.
  case bitwiseAnd = 4
  /// The bitwise or, of integers only.
  case bitwiseOr = 5
  /// The bitwise exclusive or, of integers only.
  case bitwiseXor = 6

  func combine<T: FixedWidthInteger>(_ a: T, _ b: T) -> T {
    switch self {
    case .sum: a &+ b
    case .product: a &* b
    case .minimum: min(a, b)
    case .maximum: max(a, b)
    case .bitwiseAnd: a & b
    case .bitwiseOr: a | b
    case .bitwiseXor: a ^ b
    }
  }

  func combine(_ a: Double, _ b: Double) -> Double? {
    switch self {
    case .sum: a + b
    case .product: a * b
    case .minimum: Double.minimum(a, b)
    case .maximum: Double.maximum(a, b)
    case .bitwiseAnd, .bitwiseOr, .bitwiseXor: nil
    }
  }
}

extension Cluster {
  /// Copies the root's bytes to all nodes. Collective, and a barrier of all nodes. Made for small values.
  ///
  /// - Throws: `.invalidArgument` for a root that is no node; `.mismatch`, `.notJoined`, `.peerLost`.
  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws(MerinoError) {
    guard root >= 0, root < nodeCount else {
      throw MerinoError(
        .invalidArgument, "could not broadcast from node \(root): the job has nodes 0 to \(nodeCount - 1).")
    }
    try eachPiece(of: bytes.count) { range throws(MerinoError) in
      var words = [UInt64](repeating: 0, count: (range.count + 7) / 8)
      if node == root { words.withUnsafeMutableBytes { $0.copyMemory(from: .init(rebasing: bytes[range])) } }
      try runtime.exchange(
        words, from: root..<root + 1, .init(function: 1, arguments: (UInt64(root), UInt64(bytes.count))),
        "broadcast"
      ) { _, theirs in
        theirs.withUnsafeBytes { source in
          UnsafeMutableRawBufferPointer(rebasing: bytes[range]).copyMemory(
            from: .init(rebasing: source[..<range.count]))
        }
      }
    }
  }

  /// Combines the values of all nodes, element by element; everyone gets the result, the same bit for bit.
  /// Collective, and a barrier of all nodes.
  ///
  /// - Throws: `.mismatch`, `.notJoined`, `.peerLost`.
  public func allReduce(_ values: [Int64], _ operation: Reduction) throws(MerinoError) -> [Int64] {
    try reduce(values, function: 2, operation, { UInt64(bitPattern: $0) }, { Int64(bitPattern: $0) }) {
      operation.combine($0, $1)
    }
  }

  /// As for `Int64`.
  ///
  /// - Throws: `.mismatch`, `.notJoined`, `.peerLost`.
  public func allReduce(_ values: [UInt64], _ operation: Reduction) throws(MerinoError) -> [UInt64] {
    try reduce(values, function: 3, operation, { $0 }, { $0 }) { operation.combine($0, $1) }
  }

  /// As for `Int64`; combined in the order of the nodes.
  ///
  /// - Throws: `.invalidArgument` for a bitwise operation; `.mismatch`, `.notJoined`, `.peerLost`.
  public func allReduce(_ values: [Double], _ operation: Reduction) throws(MerinoError) -> [Double] {
    if operation.combine(0.0, 0.0) == nil {
      throw MerinoError(.invalidArgument, "could not reduce doubles by \(operation): that is for integers.")
    }
    return try reduce(values, function: 4, operation, { $0.bitPattern }, { Double(bitPattern: $0) }) {
      operation.combine($0, $1) ?? $0
    }
  }

  private func reduce<T>(
    _ values: [T], function: UInt64, _ operation: Reduction, _ encode: (T) -> UInt64,
    _ decode: (UInt64) -> T, _ combine: (T, T) -> T
  ) throws(MerinoError) -> [T] {
    var result = values
    try eachPiece(of: values.count * 8) { range throws(MerinoError) in
      let elements = range.lowerBound / 8..<range.upperBound / 8
      try runtime.exchange(
        values[elements].map(encode), from: 0..<nodeCount,
        .init(function: function, arguments: (UInt64(operation.rawValue), UInt64(values.count))), "reduce"
      ) { peer, words in
        for (index, word) in words.enumerated() {
          let at = elements.lowerBound + index
          result[at] = peer == 0 ? decode(word) : combine(result[at], decode(word))
        }
      }
    }
    return result
  }

  /// At least one piece, so that a call with nothing is a barrier all the same.
  private func eachPiece(
    of count: Int, _ body: (Range<Int>) throws(MerinoError) -> Void
  ) throws(MerinoError) {
    var start = 0
    repeat {
      let end = min(count, start + Collectives.payloadByteCount)
      try body(start..<end)
      start = end
    } while start < count
  }
}
