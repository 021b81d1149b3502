/// The number of a thing of one kind: of a node, a page, a chunk. Numbers of different kinds do not mix, and
/// none is an `Int`; it is one at run time. `Kind` is a type without values that stands for the kind.
@frozen
public struct Ordinal<Kind>: BitwiseCopyable, Sendable, Hashable, ExpressibleByIntegerLiteral,
  CustomStringConvertible
{
  public let number: Int

  @inlinable public init(_ number: Int) { self.number = number }
  /// A number that is written down says itself what it is meant for.
  @inlinable public init(integerLiteral number: Int) { self.number = number }

  public var description: String { "\(number)" }

  /// Whether it is one of `count` things that are numbered from 0 on.
  @inlinable public func isOne(of count: Int) -> Bool { number >= 0 && number < count }

  /// `size`: a power of two.
  @inlinable public func isMultiple(of size: Int) -> Bool { number & (size - 1) == 0 }
  @inlinable public func roundedDown(to size: Int) -> Self { Self(number & ~(size - 1)) }

  // Written out: a debug build of a signal handler sees through these, and not through what the compiler
  // derives.
  @inlinable public static func == (a: Self, b: Self) -> Bool { a.number == b.number }
  @inlinable public static func != (a: Self, b: Self) -> Bool { a.number != b.number }
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.number < b.number }
  @inlinable public static func <= (a: Self, b: Self) -> Bool { a.number <= b.number }
  @inlinable public static func > (a: Self, b: Self) -> Bool { a.number > b.number }
  @inlinable public static func >= (a: Self, b: Self) -> Bool { a.number >= b.number }
  @inlinable public static func + (a: Self, distance: Int) -> Self { Self(a.number + distance) }
  @inlinable public static func - (a: Self, distance: Int) -> Self { Self(a.number - distance) }
  @inlinable public static func - (a: Self, b: Self) -> Int { a.number - b.number }
  @inlinable public static func += (a: inout Self, distance: Int) { a = a + distance }

  @inlinable
  public static func ..< (a: Self, b: Self) -> OrdinalRange<Kind> { OrdinalRange(a, b) }

  /// The lower one, and the higher one. (Not `Comparable`: its generic functions need metadata at run time in
  /// a debug build.)
  @inlinable public static func min(_ a: Self, _ b: Self) -> Self { b < a ? b : a }
  @inlinable public static func max(_ a: Self, _ b: Self) -> Self { b < a ? a : b }
}

/// Things of one kind whose numbers follow each other.
@frozen
public struct OrdinalRange<Kind>: BitwiseCopyable, Sendable, Hashable, CustomStringConvertible {
  public let lowerBound: Ordinal<Kind>
  /// The first one behind the range.
  public let upperBound: Ordinal<Kind>

  /// Empty where `upperBound` is not above `lowerBound`.
  @inlinable
  public init(_ lowerBound: Ordinal<Kind>, _ upperBound: Ordinal<Kind>) {
    self.lowerBound = lowerBound
    self.upperBound = upperBound
  }

  @inlinable
  public init(_ lowerBound: Ordinal<Kind>, count: Int) { self.init(lowerBound, lowerBound + count) }

  public var description: String { "\(lowerBound)..<\(upperBound)" }

  @inlinable public var count: Int { Swift.max(upperBound - lowerBound, 0) }
  @inlinable public var isEmpty: Bool { upperBound <= lowerBound }
  @inlinable public func contains(_ one: Ordinal<Kind>) -> Bool { one >= lowerBound && one < upperBound }
  public func overlaps(_ other: Self) -> Bool {
    lowerBound < other.upperBound && other.lowerBound < upperBound
  }
  @inlinable public var numbers: Range<Int> {
    lowerBound.number..<Swift.max(lowerBound.number, upperBound.number)
  }

  @inlinable
  public static func == (a: Self, b: Self) -> Bool {
    a.lowerBound == b.lowerBound && a.upperBound == b.upperBound
  }

  /// Each `distance`-th of them.
  @inlinable public func by(_ distance: Int) -> Steps { Steps(self, distance) }

  @frozen
  public struct Steps: BitwiseCopyable, Sendable, Sequence, IteratorProtocol {
    @usableFromInline var current: Ordinal<Kind>
    @usableFromInline let end: Ordinal<Kind>
    @usableFromInline let distance: Int

    @inlinable
    init(_ range: OrdinalRange, _ distance: Int) {
      current = range.lowerBound
      end = range.upperBound
      self.distance = distance
    }

    @inlinable
    public mutating func next() -> Ordinal<Kind>? {
      if current >= end { return nil }
      defer { current = current + distance }
      return current
    }
  }
}

extension OrdinalRange: Sequence {
  @inlinable public func makeIterator() -> Steps { Steps(self, 1) }
}
