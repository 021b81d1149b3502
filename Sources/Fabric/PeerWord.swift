/// The kinds of words in nodes' control memory that others read and act upon. Where such a word says what no node can
/// have written, a `FabricFailure` names it: the memory was overwritten, or the node runs other code.
public enum PeerWord: Int32, BitwiseCopyable, Sendable, CaseIterable {
  case logNotice
  case logHead
  case clock
  case epochCount
  case epochNotice
  case epochSeal
  case barrierMessage
  case directory
  case chunkKey
  case freedCount
  case freedRange
  case lockTail
  case successor
  case grant
  case waiter
  case objectState
  case segmentCount
  case segmentEntry

  /// What it is, for the sentence "WORDS at node N is V": a signal handler writes it, too.
  @inlinable
  public var words: StaticString {
    switch self {
    case .logNotice: "a write notice in the interval log"
    case .logHead: "the head of the interval log"
    case .clock: "the entry for the log of this node, in a clock that came with a lock or a barrier,"
    case .epochCount: "the number of entries of the epoch buffer"
    case .epochNotice: "a write notice in the epoch buffer"
    case .epochSeal: "the sealed position of the epoch buffer"
    case .barrierMessage: "a word of a barrier's message"
    case .directory: "the home of a page in the directory"
    case .chunkKey: "the key of a chunk of memory"
    case .freedCount: "the number of freed ranges"
    case .freedRange: "a freed range"
    case .lockTail: "the tail of a lock"
    case .successor: "the successor in a lock's slot"
    case .grant: "the grant in a lock's slot"
    case .waiter: "a waiter's name in the queue of an object"
    case .objectState: "the state of an object"
    case .segmentCount: "the number of segments"
    case .segmentEntry: "an entry of the table of segments"
    }
  }
}

extension FabricFailure {
  /// A word in the control memory of `peer` that says what no node can have written.
  @inlinable
  public init(bad word: PeerWord, of peer: NodeID, value: UInt64) {
    self.init(reason: .badWord, peer: Int32(truncatingIfNeeded: peer), status: word.rawValue)
    self.value = value
  }

  /// Of a `badWord`: what the word is.
  @inlinable
  public var word: PeerWord? { reason == .badWord ? PeerWord(rawValue: status) : nil }
}
