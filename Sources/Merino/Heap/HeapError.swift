/// Why the heap refused. Offsets are from the region's beginning.
public enum HeapError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The pointer is outside of the memory that the heap hands out.
  case foreign(address: UInt)
  /// The pointer is inside the heap, but no block ever began there: the middle of a block, or memory
  /// that was never handed out.
  case notABlock(address: UInt)
  /// No block in use begins there; one did, and has been freed. (Of a small block that lies where
  /// others were carved too: it was freed, or never handed out.)
  case alreadyFree(address: UInt)
  /// An alignment that is no power of two.
  case invalidAlignment(Int)
  /// The region cannot hold a heap: the sentence says why.
  case invalidRegion(String)
  /// There is no heap of this version in the region.
  case notAHeap(found: UInt64)
  /// The heap's own records contradict each other at this offset: something wrote over them.
  case corrupt(offset: Int)

  /// The sentence: what was tried, on which address, what to do.
  public var description: String {
    switch self {
    case .foreign(let address):
      return "\(hex(address)) is no memory of the shared heap: free it where it was allocated."
    case .notABlock(let address):
      return
        "no block of the shared heap begins at \(hex(address)): pass the pointer that the allocation "
        + "returned."
    case .alreadyFree(let address):
      return "the block at \(hex(address)) of the shared heap is not in use: it has been freed before."
    case .invalidAlignment(let alignment):
      return "\(alignment) is no alignment: give a power of two."
    case .invalidRegion(let sentence):
      return sentence
    case .notAHeap(let found):
      return
        "the region holds no shared heap of this version of Merino (it begins with \(hex(UInt(found)))): "
        + "create the heap on one node before the others open it, and run the same version on all."
    case .corrupt(let offset):
      return
        "the shared heap's records contradict each other at offset \(hex(UInt(bitPattern: offset))): "
        + "something has written outside of its block, or the global lock was not held."
    }
  }
}

func hex(_ value: UInt) -> String { "0x" + String(value, radix: 16) }
