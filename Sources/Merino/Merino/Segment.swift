import Coherence

/// Where the pages of a segment live. A wish: a node becomes home of a page once its memory is ready for
/// it; until then first touch decides.
public enum Placement: Sendable, Equatable {
  /// The first node that writes a page becomes its home.
  case firstTouch
  /// Consecutive parts of equal size, one for each node in order.
  case blocked
  /// Coherence units in turn, one for each node.
  case cyclic
  /// All at one node.
  case node(Int)
}

/// What a view of a segment allows.
public enum ViewProtectionLimit: Sendable, Equatable {
  /// Loads only: a store is a segmentation fault, as for mmap.
  case read
  /// Loads and stores.
  case readWrite
}

/// A named extent of global memory, as this process knows it. Thread-safe.
public struct Segment: Sendable, Equatable {
  let index: Int
  let generation: UInt64
  /// The name that it was made with.
  public let name: String
  /// Its bytes, as it was made.
  public let byteCount: Int
  /// Where it begins in the global address space: the same on all nodes.
  public let globalAddress: Int
  /// Bytes that are fetched and invalidated together.
  public let unitByteCount: Int
  /// Where its pages live.
  public let placement: Placement

  init(_ runtime: Runtime, _ index: Int, _ entry: SegmentEntry) {
    self.index = index
    generation = entry.generation
    name = entry.name
    byteCount = Int(entry.bytes)
    globalAddress = runtime.engine.configuration.byteOffset(of: entry.firstPage)
    unitByteCount = runtime.engine.configuration.pageByteCount << entry.unitShift
    placement =
      switch entry.placement {
      case .firstTouch: .firstTouch
      case .blocked: .blocked
      case .cyclic: .cyclic
      case .oneNode: .node(entry.placementNode.number)
      }
  }

  /// Maps the segment into this process.
  ///
  /// - Parameters:
  ///   - address: `nil` for the default address, the same on all nodes; else a free address, a multiple
  ///     of the page size.
  ///   - protection: what the view allows.
  /// - Returns: the view's bytes. It stays until `Cluster.detach`.
  /// - Throws: `.addressInUse`, `.invalidHandle`, `.invalidArgument`, `.limitReached`, `.outOfMemory`.
  public func attach(
    at address: UnsafeMutableRawPointer? = nil, protection: ViewProtectionLimit = .readWrite
  ) throws(MerinoError) -> UnsafeMutableRawBufferPointer {
    try Runtime.current().attach(self, at: address, protection)
  }

  /// Frees the name at once, and the pages after the last view of any node is detached, at the next
  /// barriers of all nodes.
  ///
  /// - Throws: `.invalidHandle` also where it has been destroyed before.
  public func destroy() throws(MerinoError) {
    try Runtime.current().segments.destroy(index, generation)
  }

  /// Whether it has been destroyed, and the views of all nodes.
  ///
  /// - Throws: `.invalidHandle` where its pages are gone.
  public func status() throws(MerinoError) -> (isDestroyed: Bool, viewCount: Int) {
    let entry = try Runtime.current().segments.look(index, generation)
    return (entry.state != .live, Int(entry.attachCount))
  }
}

extension Cluster {
  /// Makes a segment of zeros, attached nowhere yet. One node makes it, the others open it.
  ///
  /// - Parameters:
  ///   - name: 1 to 63 bytes of UTF-8, unique in the job.
  ///   - byteCount: at least 1; rounded up to whole units.
  ///   - unitByteCount: the coherence unit, a power of two from the page size to 2 MiB.
  ///   - placement: where the pages shall live.
  /// - Throws: `.invalidArgument`, `.nameExists`, `.noSpace`, `.limitReached`, `.notSupported`.
  public func createSegment(
    named name: String, byteCount: Int, unitByteCount: Int? = nil, placement: Placement = .firstTouch
  ) throws(MerinoError) -> Segment {
    let runtime = try runtime
    let configuration = runtime.engine.configuration
    let attempt = "could not make segment \"\(name)\""
    guard byteCount > 0 else {
      throw MerinoError(.invalidArgument, "\(attempt): a segment has at least 1 byte.")
    }
    guard byteCount <= configuration.capacityByteCount else {
      throw MerinoError(
        .noSpace,
        "\(attempt): its \(byteCount) bytes are more than the global address space of "
          + "\(configuration.capacityByteCount); set MERINO_CAPACITY to more on all nodes.")
    }
    let unit = unitByteCount ?? configuration.pageByteCount
    guard unit > 0, unit & (unit - 1) == 0, unit <= configuration.pageByteCount << configuration.chunkShift
    else {
      throw MerinoError(
        .invalidArgument, "\(attempt): a coherence unit is a power of two up to 2 MiB, not \(unit) bytes.")
    }
    guard unit >= configuration.pageByteCount else {
      throw MerinoError(
        .notSupported,
        "\(attempt): a coherence unit of \(unit) bytes is smaller than the system's page of "
          + "\(configuration.pageByteCount), the least that can be protected; take at least that.")
    }
    var node = 0
    let kind: SegmentShape.Placement
    switch placement {
    case .firstTouch: kind = .firstTouch
    case .blocked: kind = .blocked
    case .cyclic: kind = .cyclic
    case .node(let wished):
      guard wished >= 0, wished < nodeCount else {
        throw MerinoError(
          .invalidArgument, "\(attempt) at node \(wished): the job has nodes 0 to \(nodeCount - 1).")
      }
      kind = .oneNode
      node = wished
    }
    let shift = (unit / configuration.pageByteCount).trailingZeroBitCount
    let made = try runtime.segments.create(
      name, bytes: byteCount, unitShift: shift, placement: kind, placementNode: node)
    return Segment(runtime, made.index, made.entry)
  }

  /// Finds a segment by its name.
  ///
  /// - Throws: `.notFound` also where it has been destroyed; `.invalidArgument`.
  public func openSegment(named name: String) throws(MerinoError) -> Segment {
    let runtime = try runtime
    let found = try runtime.segments.open(name)
    return Segment(runtime, found.index, found.entry)
  }

  /// Where a segment is attached by default: the same on all nodes.
  public func defaultAddress(of segment: Segment) -> UnsafeMutableRawPointer? {
    UnsafeMutableRawPointer(bitPattern: member.space.defaultAddress(of: segment.globalAddress))
  }

  /// The views of a segment in this process.
  public func viewCount(of segment: Segment) -> Int { member.viewCount(segment) }

  /// Unmaps a view. What was written through it stays in the segment.
  ///
  /// - Parameter view: the address that `attach` gave.
  /// - Throws: `.badAddress` where no view begins there; `.busy` while a part of it is pinned.
  public func detach(_ view: UnsafeMutableRawPointer) throws(MerinoError) {
    try runtime.detach(view)
  }

  /// Fetches the pages of a range that are not here, many in flight at once. A hint.
  ///
  /// - Throws: `.badAddress` where the range is not in one view.
  public func prefetch(_ range: UnsafeRawBufferPointer) throws(MerinoError) {
    let runtime = try runtime
    guard let place = try runtime.place(range, writing: false) else { return }
    let engine = runtime.engine
    try attempting("prefetch") { () throws(EngineError) in
      try engine.prefetch(place.pages, view: place.view)
    }
  }

  /// Keeps the pages of a range accessible until `unpin`: for system calls, MPI calls, devices.
  ///
  /// - Throws: `.badAddress`, `.accessDenied`.
  public func pin(_ range: UnsafeRawBufferPointer, writable: Bool) throws(MerinoError) {
    let runtime = try runtime
    guard let place = try runtime.place(range, writing: writable) else { return }
    let engine = runtime.engine
    try attempting("pin pages") { () throws(EngineError) in
      try engine.pin(place.pages, to: writable ? .readWrite : .read, view: place.view)
    }
    runtime.pins.add(place.pages)
  }

  /// Ends a `pin` of the same range.
  ///
  /// - Throws: `.badAddress` where the range is not pinned.
  public func unpin(_ range: UnsafeRawBufferPointer) throws(MerinoError) {
    let runtime = try runtime
    guard let place = try runtime.place(range, writing: false) else { return }
    guard runtime.pins.remove(place.pages) else {
      throw MerinoError(.badAddress, "could not unpin: this range is not pinned.")
    }
    let engine = runtime.engine
    try attempting("unpin pages") { () throws(EngineError) in try engine.unpin(place.pages) }
  }
}
