import CMerino
import Merino

@c @implementation
public func mrn_malloc(_ bytes: Int) -> UnsafeMutableRawPointer? {
  pointer { () throws(MerinoError) in try Cluster.current().allocate(byteCount: bytes) }
}

@c @implementation
public func mrn_calloc(_ count: Int, _ bytes: Int) -> UnsafeMutableRawPointer? {
  pointer { () throws(MerinoError) in
    let (total, overflow) = UInt(bitPattern: count).multipliedReportingOverflow(by: UInt(bitPattern: bytes))
    guard !overflow, total <= UInt(Int.max) else {
      throw MerinoError(
        .outOfMemory,
        "merino_calloc: \(UInt(bitPattern: count)) blocks of \(UInt(bitPattern: bytes)) bytes are "
          + "more than an address can name.")
    }
    return try Cluster.current().allocateZeroed(byteCount: Int(total))
  }
}

@c @implementation
public func mrn_realloc(_ block: UnsafeMutableRawPointer?, _ bytes: Int) -> UnsafeMutableRawPointer? {
  guard let block else { return mrn_malloc(bytes) }
  return pointer { () throws(MerinoError) in
    let cluster = try Cluster.current()
    if bytes == 0 {
      try cluster.free(block)
      return nil
    }
    return try cluster.reallocate(block, byteCount: bytes)
  }
}

@c @implementation
public func mrn_aligned_alloc(_ alignment: Int, _ bytes: Int) -> UnsafeMutableRawPointer? {
  pointer { () throws(MerinoError) in try Cluster.current().allocate(byteCount: bytes, alignment: alignment) }
}

@c @implementation
public func mrn_free(_ block: UnsafeMutableRawPointer?) {
  guard let block else { return }
  _ = pointer { () throws(MerinoError) in
    try Cluster.current().free(block)
    return nil
  }
}

@c @implementation
public func mrn_collective_malloc(_ bytes: Int, _ alignment: Int) -> UnsafeMutableRawPointer? {
  pointer { () throws(MerinoError) in
    try Cluster.current().collectiveAllocate(byteCount: bytes, alignment: alignment == 0 ? nil : alignment)
  }
}

@c @implementation
public func mrn_collective_free(_ block: UnsafeMutableRawPointer?) -> Int32 {
  result { () throws(MerinoError) in try Cluster.current().collectiveFree(block) }
}
