import Platform

/// A word of memory that threads of this node, or other nodes, look at or change at the same time. Copying it
/// copies the address; the memory outlives every copy (`Engine`), and the address is a multiple of eight.
@frozen
public struct SharedWord<W: MemoryAccess>: BitwiseCopyable, @unchecked Sendable {
  /// Where it lies, for the fabric's operations.
  @usableFromInline let address: UnsafeMutableRawPointer

  @inlinable init(_ address: UnsafeMutableRawPointer) { self.address = address }
  @inlinable var word: AtomicWord { AtomicWord(address) }

  @inlinable public func load() -> UInt64 { W.load(word) }
  @inlinable public func loadRelaxed() -> UInt64 { W.loadRelaxed(word) }
  @inlinable public func store(_ value: UInt64) { W.store(word, value) }
  @inlinable public func storeRelaxed(_ value: UInt64) { W.storeRelaxed(word, value) }
  @inlinable public func exchange(_ value: UInt64) -> UInt64 { W.exchange(word, value) }
  /// True when the word was `expected` and is now `desired`.
  @inlinable
  public func compareExchange(_ expected: UInt64, _ desired: UInt64) -> Bool {
    W.compareExchange(word, expected, desired)
  }
  /// The value before, as of the two below.
  @inlinable @discardableResult
  public func fetchAdd(_ value: UInt64) -> UInt64 { W.fetchAdd(word, value) }
  @inlinable @discardableResult
  public func fetchOr(_ bits: UInt64) -> UInt64 { W.fetchOr(word, bits) }
  @inlinable @discardableResult
  public func fetchAnd(_ bits: UInt64) -> UInt64 { W.fetchAnd(word, bits) }
}

/// A byte of such memory.
@frozen
public struct SharedByte<W: MemoryAccess>: BitwiseCopyable, Sendable {
  @usableFromInline let byte: AtomicByte

  @inlinable init(_ address: UnsafeMutableRawPointer) { byte = AtomicByte(address) }

  @inlinable public func load() -> UInt8 { W.load(byte) }
  @inlinable public func store(_ value: UInt8) { W.store(byte, value) }
  @inlinable public func exchange(_ value: UInt8) -> UInt8 { W.exchange(byte, value) }
}

/// Words next to each other.
@frozen
public struct SharedWords<W: MemoryAccess>: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable init(_ base: UnsafeMutableRawPointer) { self.base = base }

  @inlinable static var stride: Int { 8 }
  @inlinable func address(_ index: Int) -> UnsafeMutableRawPointer { base + index &* Self.stride }
  @inlinable public subscript(index: Int) -> SharedWord<W> { SharedWord(address(index)) }
}

/// A word for each thing of a kind.
@frozen
public struct WordTable<W: MemoryAccess, Kind>: BitwiseCopyable, Sendable {
  @usableFromInline let words: SharedWords<W>

  @inlinable init(_ base: UnsafeMutableRawPointer) { words = SharedWords(base) }

  @inlinable public subscript(one: Ordinal<Kind>) -> SharedWord<W> { words[one.number] }
  @inlinable func address(_ one: Ordinal<Kind>) -> UnsafeMutableRawPointer { words.address(one.number) }

  @inlinable
  func zero(_ range: OrdinalRange<Kind>) {
    W.zero(address(range.lowerBound), range.count &* SharedWords<W>.stride)
  }
}

/// Words that many threads write, each on a cache line of its own.
@frozen
public struct SpacedWords<W: MemoryAccess>: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable init(_ base: UnsafeMutableRawPointer) { self.base = base }

  @inlinable static var stride: Int { 64 }
  @inlinable public subscript(index: Int) -> SharedWord<W> { SharedWord(base + index &* Self.stride) }
}

/// A byte for each thing of a kind, aligned to a cache line.
@frozen
public struct ByteTable<W: MemoryAccess, Kind>: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer

  @inlinable init(_ base: UnsafeMutableRawPointer) { self.base = base }

  @inlinable public subscript(one: Ordinal<Kind>) -> SharedByte<W> { SharedByte(base + one.number) }

  /// The eight bytes from `one`, whose number is a multiple of eight, on.
  @inlinable func eight(from one: Ordinal<Kind>) -> SharedWord<W> { SharedWord(base + one.number) }

  @inlinable
  func zero(_ range: OrdinalRange<Kind>) { W.zero(base + range.lowerBound.number, range.count) }
}
