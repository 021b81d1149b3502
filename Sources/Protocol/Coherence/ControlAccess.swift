import Fabric
import Platform

// Control memory for the layers above: tables and records that they keep at a node, reached by
// one-sided operations under one of the engine's locks.

extension Engine {
  /// Bytes that one access moves; longer ones go in pieces.
  @inlinable
  var controlPieceByteCount: Int { Workspace<E.W>.bulkByteCount }

  /// Copies `span` of `peer`'s control memory to `destination` (any memory).
  @inlinable
  public func readControl(
    _ peer: NodeID, _ span: ControlSpan, into destination: UnsafeMutableRawPointer
  ) throws(EngineError) {
    try checkPeers()
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    var done = 0
    let bulk = w.result(Workspace<E.W>.bulkIndex)
    while done < span.byteCount {
      let piece = min(span.byteCount - done, controlPieceByteCount)
      var batch = fabric.open(peer, lane: 0)
      read(&batch, ControlSpan(span.offset + done, byteCount: piece), of: peer, into: bulk)
      try complete(batch, w)
      E.W.copy(destination + done, bulk, piece)
      done += piece
    }
  }

  /// Copies `source` (any memory) to `peer`'s control memory; it is placed when this returns.
  @inlinable
  public func writeControl(
    _ peer: NodeID, _ span: WritableSpan, from source: UnsafeRawPointer
  ) throws(EngineError) {
    try checkPeers()
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    var done = 0
    let bulk = w.result(Workspace<E.W>.bulkIndex)
    while done < span.byteCount {
      let piece = min(span.byteCount - done, controlPieceByteCount)
      E.W.copy(bulk, source + done, piece)
      var batch = fabric.open(peer, lane: 0)
      write(&batch, from: bulk, to: WritableSpan(span.offset + done, byteCount: piece), of: peer)
      read(&batch, layout.logHead.span, of: peer, into: w.result(0))
      try complete(batch, w)
      done += piece
    }
  }

  /// The info word of a lock that is homed here.
  @inlinable
  public func ownInfo(ofLock id: Int) -> UInt64 { own(lockRecord(id).record.info).load() }
}
