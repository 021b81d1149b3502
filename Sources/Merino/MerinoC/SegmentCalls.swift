import CMerino
import Glibc
import Merino
import Synchronization

/// The segments that this process has made or opened, by their number in C: index + 1 in the low bits,
/// so that 0 names none.
private let knownSegments = Mutex<[Segment]>([])

private func remember(_ segment: Segment) -> merino_segment_t {
  knownSegments.withLock { known in
    if let index = known.firstIndex(of: segment) { return UInt32(index + 1) }
    known.append(segment)
    return UInt32(known.count)
  }
}

private func segment(_ number: merino_segment_t, _ function: String) throws(MerinoError) -> Segment {
  let found = knownSegments.withLock { known in
    number > 0 && Int(number) <= known.count ? known[Int(number) - 1] : nil
  }
  guard let found else { throw MerinoError(.invalidHandle, "\(function): \(number) names no segment.") }
  return found
}

private func name(_ pointer: UnsafePointer<CChar>?, _ function: String) throws(MerinoError) -> String {
  guard let pointer else { throw nullArgument(function, "the name") }
  guard let name = String(validatingCString: pointer) else {
    throw MerinoError(.invalidArgument, "\(function): the name is not UTF-8.")
  }
  return name
}

@c @implementation
public func mrn_segment_create(
  _ name: UnsafePointer<CChar>?, _ bytes: Int, _ options: UnsafePointer<merino_segment_options_t>?,
  _ segment: UnsafeMutablePointer<merino_segment_t>?
) -> Int32 {
  result { () throws(MerinoError) in
    let cluster = try Cluster.current()
    guard let segment else { throw nullArgument("merino_segment_create", "segment") }
    var given = merino_segment_options_t()
    if let options {
      given = try settings(
        options, size: options.pointee.size, given, { $0.header_version }, "merino_segment_create")
    }
    // A size_t beyond the range of Int arrives negative.
    guard bytes >= 0 else {
      throw MerinoError(
        .noSpace,
        "merino_segment_create: \(UInt(bitPattern: bytes)) bytes are more than the global address space of "
          + "\(cluster.capacityByteCount); set MERINO_CAPACITY to more on all nodes.")
    }
    let made = try cluster.createSegment(
      named: try MerinoC.name(name, "merino_segment_create"), byteCount: bytes,
      unitByteCount: given.unit_bytes == 0 ? nil : Int(given.unit_bytes), placement: try placement(given))
    segment.pointee = remember(made)
  }
}

private func placement(_ given: merino_segment_options_t) throws(MerinoError) -> Placement {
  switch given.placement {
  case 0: .firstTouch
  case 1: .blocked
  case 2: .cyclic
  case 3: .node(Int(given.placement_node))
  default:
    throw MerinoError(.invalidArgument, "merino_segment_create: \(given.placement) is no merino_placement_t.")
  }
}

@c @implementation
public func mrn_segment_open(
  _ name: UnsafePointer<CChar>?, _ segment: UnsafeMutablePointer<merino_segment_t>?
) -> Int32 {
  result { () throws(MerinoError) in
    let cluster = try Cluster.current()
    guard let segment else { throw nullArgument("merino_segment_open", "segment") }
    segment.pointee = remember(try cluster.openSegment(named: try MerinoC.name(name, "merino_segment_open")))
  }
}

/// What PROT_... bits ask for.
func protectionLimit(_ bits: Int32, _ function: String) throws(MerinoError) -> ViewProtectionLimit {
  if bits == PROT_READ { return .read }
  if bits == PROT_READ | PROT_WRITE { return .readWrite }
  throw MerinoError(
    .invalidArgument, "\(function): protection \(bits) is neither PROT_READ nor PROT_READ | PROT_WRITE.")
}

@c @implementation
public func mrn_segment_attach(
  _ number: merino_segment_t, _ where: UnsafeMutableRawPointer?, _ protection: Int32,
  _ view: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> Int32 {
  result { () throws(MerinoError) in
    _ = try Cluster.current()
    guard let view else { throw nullArgument("merino_segment_attach", "view") }
    let limit = try protectionLimit(protection, "merino_segment_attach")
    view.pointee = try segment(number, "merino_segment_attach").attach(at: `where`, protection: limit)
      .baseAddress
  }
}

@c @implementation
public func mrn_segment_detach(_ view: UnsafeMutableRawPointer?) -> Int32 {
  result { () throws(MerinoError) in
    let cluster = try Cluster.current()
    guard let view else { throw MerinoError(.badAddress, "merino_segment_detach: no view begins at NULL.") }
    try cluster.detach(view)
  }
}

@c @implementation
public func mrn_segment_destroy(_ number: merino_segment_t) -> Int32 {
  result { () throws(MerinoError) in
    _ = try Cluster.current()
    try segment(number, "merino_segment_destroy").destroy()
  }
}

@c @implementation
public func mrn_segment_info(
  _ number: merino_segment_t, _ info: UnsafeMutablePointer<merino_segment_info_t>?
) -> Int32 {
  result { () throws(MerinoError) in
    let cluster = try Cluster.current()
    guard let info else { throw nullArgument("merino_segment_info", "info") }
    let segment = try segment(number, "merino_segment_info")
    let status = try segment.status()
    var filled = merino_segment_info_t()
    filled.bytes = UInt64(segment.byteCount)
    filled.global_address = UInt64(segment.globalAddress)
    filled.default_view = cluster.defaultAddress(of: segment)
    filled.unit_bytes = UInt32(segment.unitByteCount)
    switch segment.placement {
    case .firstTouch: filled.placement = 0
    case .blocked: filled.placement = 1
    case .cyclic: filled.placement = 2
    case .node(let node):
      filled.placement = 3
      filled.placement_node = Int32(node)
    }
    filled.views = UInt32(cluster.viewCount(of: segment))
    filled.destroyed = status.isDestroyed ? 1 : 0
    withUnsafeMutableBytes(of: &filled.name) { bytes in
      for (index, byte) in segment.name.utf8.prefix(bytes.count - 1).enumerated() { bytes[index] = byte }
    }
    try fill(info, filled, size: \.size, "merino_segment_info")
  }
}

/// Fills a structure of the caller as far as its `size` goes, and leaves that as it is.
func fill<T: BitwiseCopyable>(
  _ destination: UnsafeMutablePointer<T>, _ value: T, size: WritableKeyPath<T, Int>, _ function: String
) throws(MerinoError) {
  let count = destination.pointee[keyPath: size]
  guard count >= MemoryLayout<Int>.size else {
    throw MerinoError(
      .invalidArgument,
      "\(function): the structure's size field is \(count); initialise it with its MERINO_..._INIT.")
  }
  var copy = value
  copy[keyPath: size] = count
  withUnsafeBytes(of: &copy) { bytes in
    UnsafeMutableRawPointer(destination).copyMemory(
      from: bytes.baseAddress.unsafelyUnwrapped, byteCount: min(count, bytes.count))
  }
}
