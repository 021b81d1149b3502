import CPlatform

/// Who left the job early, the first of them, and how: for waits, for signal handlers, and for sentences.
///
/// Trivially copyable; the memory behind it is never given back, since a handler or a wait of another thread may look
/// at it until the process ends.
@frozen
public struct LossRecord: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  /// Bytes of memory, aligned to 64.
  public static var byteCount: Int { 1024 }
  // A cache line of its own for the word that every wait looks at; who notes a loss, and the sentence, behind it.
  @inlinable static var claimOffset: Int { 64 }
  @inlinable static var lengthOffset: Int { 72 }
  @inlinable static var textOffset: Int { 80 }

  /// `base`: `byteCount` bytes of zeros.
  @inlinable
  public init(_ base: UnsafeMutableRawPointer) { self.base = base }

  /// 0 while nobody is lost, else the number of who is, plus 1.
  @inlinable public var word: AtomicWord { AtomicWord(base) }

  /// Notes the first loss; later ones change nothing. A loss is noted when this returns.
  ///
  /// - Parameter how: a sentence in UTF-8, empty where it is not known.
  public func note(lost: Int, how: UnsafeRawBufferPointer) {
    guard AtomicWord(base + Self.claimOffset).compareExchange(0, 1) else {
      while word.load() == 0 { cplatform_yield() }
      return
    }
    let count = min(how.count, Self.byteCount - Self.textOffset)
    if let text = how.baseAddress { cplatform_copy(base + Self.textOffset, text, count) }
    (base + Self.lengthOffset).storeBytes(of: UInt64(count), as: UInt64.self)
    // Release: pairs with the load of whoever reads the sentence.
    word.store(UInt64(lost + 1))
  }

  /// How the lost one ended, in UTF-8; empty where it is not known, or nobody is lost.
  @inlinable
  public var how: UnsafeRawBufferPointer {
    // Acquire: pairs with `note`. Nothing of it changes any more.
    guard word.load() != 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    let count = Int((base + Self.lengthOffset).load(as: UInt64.self))
    return UnsafeRawBufferPointer(start: base + Self.textOffset, count: count)
  }
}
