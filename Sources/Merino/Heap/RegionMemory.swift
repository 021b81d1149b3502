import Synchronization

// Every access to the region goes through these. Words and bytes are relaxed atomics: the caller's
// locks order them; but a thread that looks at its own block's state or record (under its node's lock)
// may do so beside one that changes neighbouring ones (under the global lock).
//
// Sound because offsets are checked against the geometry before, the region is mapped for as long as
// the heap is used, and words are at multiples of 8.

@inline(__always)
func loadWord(_ at: UnsafeMutableRawPointer) -> UInt64 {
  at.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
}

@inline(__always)
func storeWord(_ at: UnsafeMutableRawPointer, _ value: UInt64) {
  at.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value, ordering: .relaxed)
}

@inline(__always)
func loadByte(_ at: UnsafeMutableRawPointer) -> UInt8 {
  at.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.load(ordering: .relaxed)
}

@inline(__always)
func storeByte(_ at: UnsafeMutableRawPointer, _ value: UInt8) {
  at.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.store(value, ordering: .relaxed)
}

extension SharedHeap {
  /// A field of the header page, or at another offset of the region.
  func word(_ offset: Int) -> UInt64 { loadWord(base + offset) }
  func setWord(_ offset: Int, _ value: UInt64) { storeWord(base + offset, value) }

  /// Wrapping: a counter that a stranger wrote over must not end the process.
  func add(_ offset: Int, _ amount: Int) {
    setWord(offset, word(offset) &+ UInt64(bitPattern: Int64(amount)))
  }
}
