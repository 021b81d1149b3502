import CPlatform

/// Who left the job early, the first of them, and how: for waits, for signal handlers, and for sentences.
///
/// Trivially copyable; the memory behind it is never given back, since a handler or a wait of another thread
/// may look at it until the process ends.
@frozen
public struct LossRecord: BitwiseCopyable, @unchecked Sendable {
  @usableFromInline let base: UnsafeMutableRawPointer
  /// Bytes of memory, aligned to 64.
  public static var byteCount: Int { 1024 }
  // A cache line of its own for the word that every wait looks at; who notes a loss, and the sentence, behind
  // it.
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
    AtomicWord(base + Self.lengthOffset).storeRelaxed(UInt64(count))
    // Release: pairs with the load of whoever reads the sentence.
    word.store(UInt64(lost + 1))
  }

  /// How the lost one ended, in UTF-8. A pointer and a count, for signal handlers: a debug build calls the
  /// runtime for a buffer pointer's members.
  @inlinable public var how: UnsafeRawPointer { UnsafeRawPointer(base + Self.textOffset) }

  /// Bytes of `how`; 0 where it is not known, or nobody is lost.
  @inlinable
  public var howByteCount: Int {
    // Acquire: pairs with `note`. Nothing of it changes any more.
    word.load() == 0 ? 0 : Int(truncatingIfNeeded: AtomicWord(base + Self.lengthOffset).loadRelaxed())
  }
}
