import Coherence

// What can be done where control memory is more than may be locked.

extension Agreement {
  /// The largest power of two below this capacity whose control memory leaves room for a chunk within the
  /// least of the nodes' limits of locked memory; `nil` where none does.
  var capacityThatFits: Int? {
    var c = configuration
    let page = 1 << c.pageShift
    var capacity = 1 << (Int.bitWidth - 1 - c.capacityByteCount.leadingZeroBitCount)
    if capacity == c.capacityByteCount { capacity /= 2 }
    while capacity >= Self.chunkByteCount {
      c.pageCount = capacity / page
      if UInt64(Self.layout(c).byteCount + Self.chunkByteCount) <= lockableByteCount { return capacity }
      capacity /= 2
    }
    return nil
  }

  /// The error with what a smaller capacity would do, where control memory could not be registered and there
  /// is a limit of locked memory.
  func advising(_ error: MerinoError) -> MerinoError {
    let control = Self.layout(configuration).byteCount
    guard error.code == .outOfMemory, lockableByteCount != ~0, UInt64(control) > lockableByteCount else {
      return error
    }
    let cure =
      capacityThatFits.map {
        "or set MERINO_CAPACITY=\(Self.capacityText($0)) or less on all nodes, which needs less control "
          + "memory"
      }
      ?? "no MERINO_CAPACITY is small enough for this limit; fewer locks (MERINO_LOCKS) and more nodes need "
      + "less control memory"
    let sentence = error.description.hasSuffix(".") ? String(error.description.dropLast()) : error.description
    return MerinoError(error.code, "\(sentence); \(cure).")
  }

  /// A power of two, of 2 MiB at least, as `MERINO_CAPACITY` is written.
  static func capacityText(_ byteCount: Int) -> String {
    for (shift, suffix) in [(40, "T"), (30, "G")] where byteCount >= 1 << shift {
      return "\(byteCount >> shift)\(suffix)"
    }
    return "\(byteCount >> 20)M"
  }
}
