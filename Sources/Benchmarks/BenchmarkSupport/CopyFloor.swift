/// What copying pages costs on this host: the floor of moving pages where there is no device.
public enum CopyFloor {
  /// Nanoseconds of copying `pageCount` pages one by one between memory that has been touched.
  public static func nanoseconds(pageCount: Int, pageByteCount: Int) -> UInt64 {
    let byteCount = pageCount * pageByteCount
    let source = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096)
    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096)
    defer {
      source.deallocate()
      target.deallocate()
    }
    source.initializeMemory(as: UInt8.self, repeating: 1)
    target.initializeMemory(as: UInt8.self, repeating: 2)
    let began = Clock.now()
    for offset in stride(from: 0, to: byteCount, by: pageByteCount) {
      let piece = offset..<offset + pageByteCount
      UnsafeMutableRawBufferPointer(rebasing: target[piece]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: source[piece]))
    }
    let ended = Clock.now()
    // Looked at, so that the copies are made.
    precondition(target[byteCount - 1] == 1)
    return ended - began
  }
}
