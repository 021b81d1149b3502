import CPlatform
import Fabric
import Platform

// Forgetting freed pages, at the barrier that tells everybody of them: words, hints, directory words, marks,
// keys, frames. Nobody uses a view of these pages any more (the last one may be about to go), but other
// threads of this node may be in the middle of a release or an acquire whose rounds look at them. So their
// words are zeroed behind the closed gate, inside which all of that happens: else a round that had loaded a
// word before would store it again behind this.
//
// What nobody touched costs nothing: a node looks only at the chunks that it has touched itself (`touch`),
// and, for its shard of the directory, at those that somebody has announced a claim in. Marks are WRITTEN by
// peers, but only into chunks whose key this node has announced, and those it has touched.

extension Engine {
  /// The barrier's part. Everybody is in the barrier and nobody uses these pages.
  @inlinable
  func reset(upTo head: UInt64) throws(EngineError) {
    let done = local.retireApplied.load()
    try checkFreed(head, since: done)
    // What was forgotten in earlier barriers has been forgotten by all: they are in this one.
    local.retireReusable.store(done)
    local.forgottenCount.storeRelaxed(0)
    if head == done { return }
    for position in done..<head { rememberForgotten(try readRetired(position)) }
    if !isOn(.freeWithoutReset) {
      try forgetWords()
      for index in 0..<Int(local.forgottenCount.loadRelaxed()) { try giveBack(forgottenRange(index)) }
    }
    local.retireApplied.store(head)
  }

  /// Signals are blocked throughout: a handler of this thread that touched shared memory would wait at the
  /// gate that only this thread opens.
  @inlinable
  func forgetWords() throws(EngineError) {
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    // Opened in any case: page faults are served after a loss, too.
    defer { if !isOn(.forgettingWithoutGate) { openGate() } }
    if !isOn(.forgettingWithoutGate) { try closeGate() }
    for index in 0..<Int(local.forgottenCount.loadRelaxed()) { forgetWords(forgottenRange(index)) }
  }

  /// Behind the gate: what other threads of this node look at, page by page.
  @inlinable
  func forgetWords(_ range: PageRange) {
    ensure(
      isGateClosed || isOn(.forgettingWithoutGate), .gateClosed, range.lowerBound)
    ensure(
      configuration.isInChunks(range.lowerBound) && range.upperBound <= configuration.endPage,
      .freedChunks, range.lowerBound)
    let touched = chunks(range)
    var chunk = touched.lowerBound
    while let next = nextMarked(local.touchedChunks, chunk..<touched.upperBound) {
      execution.interleave(#line)
      let all = configuration.pages(of: next)
      pages.forgetWords(all)
      // Marks without a key are of nobody: a fetcher READs the key before it WRITEs them.
      if ownKey(next).load() != 0 { own(layout.marks).zero(all) }
      chunk = next + 1
    }
    chunk = touched.lowerBound
    while let next = nextMarked(own(layout.claimMarks), chunk..<touched.upperBound) {
      forgetDirectory(next)
      chunk = next + 1
    }
    pages.forget(range)
  }

  /// The directory words of `chunk` in this node's shard. Plain stores, where else only the fabric's atomics
  /// change them: nobody claims these pages now, and the barrier after this one is before anybody does again.
  @inlinable
  func forgetDirectory(_ chunk: Chunk) {
    claimMark(chunk).store(0)
    for page in configuration.pages(of: chunk) {
      let shard = directoryWord(page)
      if shard.node == node { forget(shard.word) }
    }
  }

  /// Outside the gate, since it can take long: keys and memory, at which no other thread looks.
  @inlinable
  func giveBack(_ range: PageRange) throws(EngineError) {
    let all = chunks(range)
    var chunk = all.lowerBound
    while let next = nextMarked(local.touchedChunks, chunk..<all.upperBound) {
      try withdrawChunk(next)
      for peer in configuration.nodes { local.peerKey(peer, next).store(0) }
      for piece in pieces(of: next) { local.announcedClaim(piece).store(0) }
      local.touchedChunk(next).store(0)
      chunk = next + 1
    }
    protection.discardFrames(range)
    // Chunks are whole pages of the system, except in the simulator.
    if configuration.pageShift >= 12 {
      cplatform_discard_private(pages.twin(range.lowerBound), range.count << configuration.pageShift)
    }
  }

  /// Notes that this node will have something to forget in the page's chunk. Before the page's word is
  /// anything but zero, or soon after: whoever forgets does so barriers later.
  @inlinable
  func touch(_ page: Page, unless mutation: Mutation? = nil) {
    let chunk = local.touchedChunk(configuration.chunk(of: page))
    if chunk.load() == 0 {
      if let mutation, isOn(mutation) { return }
      chunk.store(1)
    }
  }

  // MARK: The ranges of the last barrier

  /// At most as many as the ring has entries are new in a barrier: what is in it beyond those is reusable
  /// first.
  @inlinable
  func rememberForgotten(_ range: PageRange) {
    let count = Int(local.forgottenCount.loadRelaxed())
    precondition(count < ControlLayout.retireEntryCount, "more ranges are freed than the ring has entries")
    let record = local.forgottenRecord(count)
    record.firstPage.storeRelaxed(UInt64(range.lowerBound.number))
    record.pageCount.storeRelaxed(UInt64(range.count))
    local.forgottenCount.storeRelaxed(UInt64(count + 1))
  }

  @inlinable
  func forgottenRange(_ index: Int) -> PageRange {
    let record = local.forgottenRecord(index)
    let first = Page(Int(record.firstPage.loadRelaxed()))
    return PageRange(first, count: Int(record.pageCount.loadRelaxed()))
  }

  /// Whether the last barrier forgot the page.
  @inlinable
  func wasForgotten(_ page: Page) -> Bool {
    for index in 0..<Int(local.forgottenCount.loadRelaxed()) where forgottenRange(index).contains(page) {
      return true
    }
    return false
  }

  // MARK: Chunks

  /// The first of `chunks` whose byte in `marks` is not zero; eight are looked at together: `marks` is
  /// aligned to a cache line, so eight whose first number is a multiple of eight are a word, and it is within
  /// the range. The bytes were stored before the barrier that the caller is in.
  @inlinable
  func nextMarked(_ marks: ByteTable<E.W, ChunkKind>, _ chunks: ChunkRange) -> Chunk? {
    var chunk = chunks.lowerBound
    while chunk < chunks.upperBound {
      if chunk.isMultiple(of: 8), chunk + 8 <= chunks.upperBound, marks.eight(from: chunk).load() == 0 {
        chunk += 8
      } else if marks[chunk].load() != 0 {
        return chunk
      } else {
        chunk += 1
      }
    }
    return nil
  }

  @inlinable
  func claimMark(_ chunk: Chunk) -> SharedByte<E.W> { own(layout.claimMarks)[chunk] }

  /// The chunks that `range`, which begins with one, has pages in. No other range has pages there.
  @inlinable
  func chunks(_ range: PageRange) -> ChunkRange { pages.chunks(range) }

  @inlinable
  func pieces(of chunk: Chunk) -> OrdinalRange<PieceKind> {
    let shift = configuration.chunkShift - configuration.claimShift
    return OrdinalRange(Piece(chunk.number << shift), count: 1 << shift)
  }
}
