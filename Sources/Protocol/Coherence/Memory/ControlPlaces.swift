import Platform

// Places in control memory, by who may write there. A place is an offset that means the same on every node,
// so with a node's number it names a word of that node; it is no pointer, and holds nothing.
//
// | type | written by | with |
// |---|---|---|
// | `OwnWord` | the node itself | stores |
// | `MailWord`, `MailBytes` | other nodes; the node itself takes out what came | WRITE |
// | `FabricWord` | any node, this one too | the fabric's atomics; the processor's where the fabric maps it |
// | `LockedWords` | whoever holds the lock that goes with it | WRITE; stores where the fabric maps it |
//
// All of them can be READ. `Engine.write` takes a `WritableSpan` and `Engine.compareAndSwap` a `FabricWord`,
// so that an operation which the owner of a word does not expect does not compile.

/// A piece of control memory, to be READ.
@frozen
public struct ControlSpan: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline let offset: Int
  @usableFromInline let byteCount: Int

  @inlinable
  init(_ offset: Int, byteCount: Int) {
    self.offset = offset
    self.byteCount = byteCount
  }
}

/// A piece of control memory that other nodes may WRITE.
@frozen
public struct WritableSpan: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline let offset: Int
  @usableFromInline let byteCount: Int

  @inlinable
  init(_ offset: Int, byteCount: Int) {
    self.offset = offset
    self.byteCount = byteCount
  }
}

@frozen
public struct OwnWord: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline let offset: Int
  @inlinable init(_ offset: Int) { self.offset = offset }
  @inlinable public var span: ControlSpan { ControlSpan(offset, byteCount: 8) }
}

@frozen
public struct OwnWords: BitwiseCopyable, Sendable {
  @usableFromInline let offset: Int
  @inlinable init(_ offset: Int) { self.offset = offset }
  @inlinable subscript(index: Int) -> OwnWord { OwnWord(offset + index &* 8) }
  @inlinable func span(_ range: Range<Int>) -> ControlSpan { span(range.lowerBound, count: range.count) }
  @inlinable
  func span(_ first: Int, count: Int) -> ControlSpan {
    ControlSpan(offset + first &* 8, byteCount: count &* 8)
  }
}

@frozen
public struct MailWord: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline let offset: Int
  @inlinable init(_ offset: Int) { self.offset = offset }
  @inlinable public var span: ControlSpan { ControlSpan(offset, byteCount: 8) }
  @inlinable public var writable: WritableSpan { WritableSpan(offset, byteCount: 8) }
}

@frozen
public struct MailWords: BitwiseCopyable, Sendable {
  @usableFromInline let offset: Int
  @usableFromInline let count: Int
  @inlinable
  init(_ offset: Int, count: Int) {
    self.offset = offset
    self.count = count
  }
  @inlinable subscript(index: Int) -> MailWord { MailWord(offset + index &* 8) }
  @inlinable var span: ControlSpan { ControlSpan(offset, byteCount: count &* 8) }
  @inlinable var writable: WritableSpan { first(count) }
  @inlinable func first(_ count: Int) -> WritableSpan { WritableSpan(offset, byteCount: count &* 8) }
}

@frozen
public struct MailBytes<Kind>: BitwiseCopyable, Sendable {
  @usableFromInline let offset: Int
  @inlinable init(_ offset: Int) { self.offset = offset }
  @inlinable
  func writable(_ first: Ordinal<Kind>, count: Int = 1) -> WritableSpan {
    WritableSpan(offset + first.number, byteCount: count)
  }
}

@frozen
public struct FabricWord: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline let offset: Int
  @inlinable init(_ offset: Int) { self.offset = offset }
  @inlinable public var span: ControlSpan { ControlSpan(offset, byteCount: 8) }
}

@frozen
public struct FabricWords: BitwiseCopyable, Sendable {
  @usableFromInline let offset: Int
  @inlinable init(_ offset: Int) { self.offset = offset }
  @inlinable subscript(index: Int) -> FabricWord { FabricWord(offset + index &* 8) }
}

extension FabricWord {
  /// This word and those behind it.
  @inlinable func span(count: Int) -> ControlSpan { ControlSpan(offset, byteCount: count &* 8) }
}

@frozen
public struct LockedWords: BitwiseCopyable, Sendable {
  @usableFromInline let offset: Int
  public let count: Int
  @inlinable
  init(_ offset: Int, count: Int) {
    self.offset = offset
    self.count = count
  }
  /// The `count` words from `first` on, which are within these.
  @inlinable
  public func words(_ first: Int, count: Int) -> LockedWords {
    precondition(
      first >= 0 && count >= 0 && first + count <= self.count, "words beyond the end of their record")
    return LockedWords(offset + first &* 8, count: count)
  }
  @inlinable public var span: ControlSpan { ControlSpan(offset, byteCount: count &* 8) }
  @inlinable public var writable: WritableSpan { WritableSpan(offset, byteCount: count &* 8) }
}
