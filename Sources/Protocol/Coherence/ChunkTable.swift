import Fabric
import Platform

// Chunks: registered with the device the first time that this node touches them, announced by their
// key in this node's control memory, and looked up there by the peers once. "No key yet" (0) is
// never cached.

extension Engine {
  @inlinable
  func ownKey(_ chunk: Chunk) -> SharedWord<E.W> { own(layout.chunkKey(chunk)) }

  /// Returns once `chunk` of this node's frames is registered and its key announced. Where that
  /// cannot be done in a signal handler the service thread does it.
  @inlinable
  func ensureRegistered(_ chunk: Chunk) throws(EngineError) {
    if ownKey(chunk).load() != 0 { return }
    local.touchedChunk(chunk).store(1)
    let key = fabric.registerChunkInPlace(chunk)
    if key != 0 {
      // Release: pairs with the peers' READ; what the key admits to is ready before it.
      ownKey(chunk).store(UInt64(key))
      return
    }
    let request = local.chunkRequests[chunk]
    execution.interleave(#line)
    if request.compareExchange(ChunkRequest.none, ChunkRequest.asked) {
      local.chunkRequestCount.fetchAdd(1)
      execution.wakeService()
    }
    var backoff = Backoff()
    while ownKey(chunk).load() == 0 {
      let state = request.load()
      if state >= ChunkRequest.failed {
        throw .fabric(
          FabricFailure(
            reason: .registrationFailed, peer: Int32(truncatingIfNeeded: node.number),
            status: Int32(truncatingIfNeeded: state &- ChunkRequest.failed)))
      }
      try checkPeers()
      execution.pause(&backoff)
    }
  }

  /// The device reads and writes this node's frame of `page` from here on.
  @inlinable
  func ensureFrameRegistered(_ page: Page) {
    ensure(ownKey(configuration.chunk(of: page)).load() != 0, .frameRegistered, page)
  }

  /// The service thread's part: registers the chunks that threads wait for. True if it did anything.
  @inlinable
  public func serveChunkRequests() -> Bool {
    guard local.chunkRequestCount.load() != 0 else { return false }
    for chunk in configuration.chunks {
      let request = local.chunkRequests[chunk]
      guard request.compareExchange(ChunkRequest.asked, ChunkRequest.served) else { continue }
      register(chunk, request)
      local.chunkRequestCount.fetchAdd(~0)
    }
    return true
  }

  @inlinable
  func register(_ chunk: Chunk, _ request: SharedWord<E.W>) {
    // Asked for again by a thread that had looked at the key just before it was announced.
    if ownKey(chunk).load() != 0 && !isOn(.chunkRegisteredTwice) {
      request.store(ChunkRequest.none)
      return
    }
    do throws(FabricFailure) {
      let key = try fabric.registerChunk(chunk)
      ensure(key != 0, .keyAnnounced, chunk)
      ownKey(chunk).store(UInt64(key))
      execution.interleave(#line)
      request.store(ChunkRequest.none)
    } catch {
      request.store(UInt64(UInt32(bitPattern: error.status)) + ChunkRequest.failed)
    }
  }

  /// The chunk of freed pages: no key, and nobody registers it any more. Threads of this node have no
  /// business with these pages, but the service thread may have a request of theirs yet, made just before the
  /// key was announced.
  @inlinable
  func withdrawChunk(_ chunk: Chunk) throws(EngineError) {
    let request = local.chunkRequests[chunk]
    var backoff = Backoff()
    while true {
      let state = request.load()
      if state == ChunkRequest.none { break }
      if state != ChunkRequest.served, request.compareExchange(state, ChunkRequest.none) {
        if state == ChunkRequest.asked { local.chunkRequestCount.fetchAdd(~0) }
        break
      }
      try checkPeers()
      execution.pause(&backoff)
    }
    if ownKey(chunk).load() != 0 {
      ownKey(chunk).store(0)
      fabric.deregisterChunk(chunk)
    }
    ensureWithdrawn(chunk)
  }

  @inlinable
  func ensureWithdrawn(_ chunk: Chunk) { ensure(ownKey(chunk).load() == 0, .keyAnnounced, chunk) }

  /// Registers the chunks of `pages` in which this node is a wished home, so that the wish holds.
  /// Not in a signal handler.
  @inlinable
  public func offerPlacement(_ shape: SegmentShape) throws(EngineError) {
    try checkPeers()
    guard shape.placement != .firstTouch else { return }
    let unitPages = 1 << shape.unitShift
    var page = shape.firstPage
    while page < shape.firstPage + shape.pageCount {
      let chunk = configuration.chunk(of: page)
      if ownKey(chunk).load() == 0, shape.wishedHome(page, nodeCount: nodeCount) == node {
        try ensureRegistered(chunk)
        page = configuration.pages(of: chunk).upperBound
      } else {
        page += unitPages
      }
    }
  }

  /// The key of a chunk of `peer`'s frames, 0 where it has not announced one.
  @inlinable
  func frameKey(of peer: NodeID, chunk: Chunk, _ w: Workspace<E.W>) throws(EngineError) -> UInt32 {
    let cache = local.peerKey(peer, chunk)
    // Relaxed: whoever fills it stores the same value, and 0 only means to ask.
    let known = cache.loadRelaxed()
    if known != 0 { return UInt32(truncatingIfNeeded: known) }
    var batch = fabric.open(peer, lane: 0)
    read(&batch, layout.chunkKey(chunk).span, of: peer, into: w.result(1))
    try complete(batch, w)
    let key = try key(w.resultValue(1), of: peer)
    if key != 0 { cache.storeRelaxed(UInt64(key)) }
    return key
  }

  /// Where the frame of `page` lies at its home. A home has announced its chunk before it became
  /// one, so the key is there.
  @inlinable
  func homeFrame(_ page: Page, home: NodeID, _ w: Workspace<E.W>) throws(EngineError) -> RemoteAddress {
    let key = try frameKey(of: home, chunk: configuration.chunk(of: page), w)
    if key == 0 { throw bad(.chunkKey, of: home, 0) }
    return RemoteAddress(
      address: fabric.framesAddress(of: home) + UInt64(configuration.byteOffset(of: page)), key: key)
  }
}

/// What stands in `LocalState.chunkRequests` for a chunk.
@usableFromInline
enum ChunkRequest {
  @inlinable static var none: UInt64 { 0 }
  /// By a thread that waits for the key.
  @inlinable static var asked: UInt64 { 1 }
  /// The service thread is about it; only it leaves this state.
  @inlinable static var served: UInt64 { 2 }
  /// This, plus the device's error code.
  @inlinable static var failed: UInt64 { 3 }
}
