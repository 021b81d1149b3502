/// A pointer into shared memory that can be stored in shared memory: its value is an address that means
/// the same on every node (segments at their default address, and the heap).
///
/// `Pointee` is a trivial type: no references, whose counts other nodes would not share.
public struct SharedPointer<Pointee: BitwiseCopyable>: BitwiseCopyable, @unchecked Sendable, Hashable {
  /// The address; 0 for null.
  public var address: UInt

  /// The pointer to nothing.
  public static var null: SharedPointer { SharedPointer(address: 0) }

  /// The pointer to `address`.
  public init(address: UInt) { self.address = address }

  /// The shared pointer with a local pointer's address.
  public init(_ pointer: UnsafeMutablePointer<Pointee>) { address = UInt(bitPattern: pointer) }

  /// The plain pointer; `nil` for null.
  public var pointer: UnsafeMutablePointer<Pointee>? { UnsafeMutablePointer(bitPattern: address) }

  /// What it points at. Null stops the process.
  public var pointee: Pointee {
    // The program vouches for the address, as for any plain pointer; null is caught here.
    get {
      guard let pointer else { preconditionFailure("null SharedPointer") }
      return pointer.pointee
    }
    nonmutating set {
      guard let pointer else { preconditionFailure("null SharedPointer") }
      pointer.pointee = newValue
    }
  }

  /// The pointer `count` elements on.
  public func advanced(by count: Int) -> SharedPointer {
    SharedPointer(address: address &+ UInt(bitPattern: count &* MemoryLayout<Pointee>.stride))
  }
}

/// Elements of a trivial type in shared memory, at the same address on every node. A value: copying it
/// copies the address, and it can be stored in shared memory itself.
public struct SharedBuffer<Element: BitwiseCopyable>: BitwiseCopyable, @unchecked Sendable {
  /// The first element.
  public let base: SharedPointer<Element>
  /// The number of elements.
  public let count: Int

  /// The buffer of `count` elements from `base` on.
  public init(base: SharedPointer<Element>, count: Int) {
    self.base = base
    self.count = count
  }

  /// The plain buffer pointer.
  public var elements: UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(start: base.pointer, count: count)
  }

  /// The valid indices.
  public var indices: Range<Int> { 0..<count }

  /// The element at `index`, which is checked against `count`.
  public subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count, "SharedBuffer index out of range")
      return elements[index]
    }
    nonmutating set {
      precondition(index >= 0 && index < count, "SharedBuffer index out of range")
      elements[index] = newValue
    }
  }
}
