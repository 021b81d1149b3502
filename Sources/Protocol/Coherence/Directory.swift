import Fabric
import Platform

/// What the directory said of a unit.
@frozen
@usableFromInline
enum Located: BitwiseCopyable {
  /// Nobody has written it: zeros, no home.
  case unclaimed
  /// This node has just become home.
  case claimed
  /// That node is home; it may be this one.
  case home(NodeID)
}

// The directory: one word a unit, the home + 1 or 0, sharded over the nodes by blocks of pages. The
// words are changed by the fabric's atomics only, also by the node that holds the shard.

extension Engine {
  /// Where the unit's directory word lies: the node, and the place in its control memory.
  @inlinable
  public func directoryWord(_ page: Page) -> (node: NodeID, word: FabricWord) {
    let block = page.block
    let inBlock = page - block.pages.lowerBound
    let index = (block.number / nodeCount) * ControlLayout.blockPageCount + inBlock
    return (NodeID(block.number % nodeCount), layout.directory[index])
  }

  /// Looks up the home of `unit`; where nobody is and `claiming`, makes the wished home or this node
  /// one. The caller holds the unit's lock bit, or is its fetcher.
  @inlinable
  func locate(_ unit: Unit, claiming: Bool, _ w: Workspace<E.W>) throws(EngineError) -> Located {
    let shard = directoryWord(unit.page)
    guard claiming else {
      var batch = fabric.open(shard.node, lane: lane(unit.page))
      read(&batch, shard.word.span, of: shard.node, into: w.result(0))
      try complete(batch, w)
      let home = try home(w.resultValue(0), in: shard.node)
      return home < 0 ? .unclaimed : .home(home)
    }
    let claimant = try claimant(for: unit, w)
    var batch = fabric.open(shard.node, lane: lane(unit.page))
    let isAnnounced = announceClaim(&batch, unit, to: shard.node)
    compareAndSwap(
      &batch, shard.word, of: shard.node, expected: 0, desired: UInt64(claimant.number + 1), old: w.result(0))
    try complete(batch, w)
    if !isAnnounced { claimIsAnnounced(unit) }
    return try claimed(unit, w.resultValue(0), by: claimant)
  }

  /// What the word of `unit` was before the claim, as what is known now.
  @inlinable
  func claimed(_ unit: Unit, _ word: UInt64, by claimant: NodeID) throws(EngineError) -> Located {
    let before = try home(word, in: directoryWord(unit.page).node)
    if before >= 0 { return .home(before) }
    add(.firstTouches)
    return claimant == node ? .claimed : .home(claimant)
  }

  /// Adds to `batch` the mark that tells the shard of a claim in this piece, unless it was told before. On
  /// the compare-and-swap's connection, before it: once that has ended, the mark is placed. Whoever forgets
  /// the pages, barriers later, finds the words that are not zero by it.
  @inlinable
  func announceClaim(_ batch: inout E.F.Batch, _ unit: Unit, to shard: NodeID) -> Bool {
    if local.announcedClaim(configuration.piece(of: unit.page)).load() != 0 { return true }
    if isOn(.claimNotAnnounced) { return false }
    write(&batch, from: ones, to: layout.claimMarks.writable(configuration.chunk(of: unit.page)), of: shard)
    return false
  }

  @inlinable
  func claimIsAnnounced(_ unit: Unit) { local.announcedClaim(configuration.piece(of: unit.page)).store(1) }

  /// Who shall be home of a unit that has none: the wished node if it has announced the chunk's
  /// key, else this node, whose frame is made ready first: registered and announced.
  ///
  /// Frames of units that have no home are zero on all nodes: memory begins so, becomes so when it is
  /// forgotten, and nothing is READ into a frame before its home is known, nor written before it has one. So
  /// a wished home needs to know nothing: it finds itself in the directory at its first fault on the unit,
  /// when others may have placed diffs in its frame.
  @inlinable
  func claimant(for unit: Unit, _ w: Workspace<E.W>) throws(EngineError) -> NodeID {
    let chunk = configuration.chunk(of: unit.page)
    let wish = pages.shape(of: unit.page)?.wishedHome(unit.page, nodeCount: nodeCount) ?? .none
    if wish >= 0 && wish != node, try frameKey(of: wish, chunk: chunk, w) != 0 { return wish }
    try ensureRegistered(chunk)
    if isOn(.claimZeroesWishedFrame) { E.W.zero(frame(unit.page), byteCount(unit)) }
    ensureFrameRegistered(unit.page)
    // The key is in place before the word that leads others here: pairs with the READ
    // of the key by whoever sees the word.
    fullFence()
    return node
  }
}
