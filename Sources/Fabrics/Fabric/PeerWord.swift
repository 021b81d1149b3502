import Platform

/// The kinds of words in nodes' control memory that others read and act upon. Where such a word says what no
/// node can have written, a `FabricFailure` names it: the memory was overwritten, or the node runs other
/// code.
@frozen
public enum PeerWord: Int32, BitwiseCopyable, Sendable, CaseIterable {
  case logNotice = 1
  case logHead = 2
  case clock = 3
  case epochCount = 4
  case epochNotice = 5
  case epochSeal = 6
  case barrierMessage = 7
  case directory = 8
  case chunkKey = 9
  case freedCount = 10
  case freedRange = 11
  case lockTail = 12
  case successor = 13
  case grant = 14
  case waiter = 15
  case objectState = 16
  case segmentCount = 17
  case segmentEntry = 18
}

extension PeerWord {
  /// What it is, for the sentence "WORDS at node N is V".
  public var words: StaticString { FabricFailure(bad: self, of: 0, value: 0).badWordWords }
}

extension FabricFailure {
  /// A word in the control memory of `peer` that says what no node can have written.
  @inlinable
  public init(bad word: PeerWord, of peer: NodeID, value: UInt64) {
    self.init(reason: .badWord, peer: Int32(truncatingIfNeeded: peer.number), status: word.rawValue)
    self.value = value
  }

  /// Of a `badWord`, what the word is. By the number: a signal handler writes it, too, and in a debug build
  /// the members of enumerations call the runtime.
  @inlinable
  public var badWordWords: StaticString {
    switch status {
    case 1: "a write notice in the interval log"
    case 2: "the head of the interval log"
    case 3: "a clock's position for the interval log"
    case 4: "the number of entries of the epoch buffer"
    case 5: "a write notice in the epoch buffer"
    case 6: "the sealed position of the epoch buffer"
    case 7: "a word of a barrier's message"
    case 8: "the home of a page in the directory"
    case 9: "the key of a chunk of memory"
    case 10: "the number of freed ranges"
    case 11: "a freed range"
    case 12: "the tail of a lock"
    case 13: "the successor in a lock's slot"
    case 14: "the grant in a lock's slot"
    case 15: "a waiter's name in the queue of an object"
    case 16: "the state of an object"
    case 17: "the number of segments"
    case 18: "an entry of the table of segments"
    default: "a word"
    }
  }
}
