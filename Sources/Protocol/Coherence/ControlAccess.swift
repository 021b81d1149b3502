import CPlatform
import Fabric
import Platform

// Control memory for the layers above: tables and records that they keep at a node, reached by
// one-sided operations under one of the engine's locks.

extension Engine {
  /// Bytes that one access moves; longer ones go in pieces.
  @inlinable
  var controlPieceByteCount: Int { (ControlLayout.workspaceResultCount - 8) * 8 }

  /// Copies `byteCount` bytes at `offset` of `peer`'s control memory to `destination` (any memory).
  @inlinable
  public func readControl(
    _ peer: NodeID, _ offset: Int, into destination: UnsafeMutableRawPointer, byteCount: Int
  ) throws(EngineError) {
    try checkPeers()
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    var done = 0
    while done < byteCount {
      let piece = min(byteCount - done, controlPieceByteCount)
      var batch = fabric.open(peer, lane: 0)
      fabric.read(&batch, from: remote(peer, offset + done), into: w.result(8), byteCount: piece)
      fabric.submit(batch, w.flight)
      try wait(w.flight)
      cplatform_copy(destination + done, w.result(8), piece)
      done += piece
    }
  }

  /// Copies `source` (any memory) to `peer`'s control memory; it is placed when this returns.
  @inlinable
  public func writeControl(
    _ peer: NodeID, _ offset: Int, from source: UnsafeRawPointer, byteCount: Int
  ) throws(EngineError) {
    try checkPeers()
    let saved = execution.enterCritical()
    defer { execution.leaveCritical(saved) }
    let w = takeWorkspace()
    defer { giveBack(w) }
    var done = 0
    while done < byteCount {
      let piece = min(byteCount - done, controlPieceByteCount)
      cplatform_copy(w.result(8), source + done, piece)
      var batch = fabric.open(peer, lane: 0)
      fabric.write(&batch, from: w.result(8), byteCount: piece, to: remote(peer, offset + done))
      fabric.read(&batch, from: remote(peer, layout.logHead), into: w.result(0), byteCount: 8)
      fabric.submit(batch, w.flight)
      try wait(w.flight)
      done += piece
    }
  }

  /// Where the six state words and, behind them, the info word of a lock's record lie at its home.
  /// They belong to the layers above, under the lock itself.
  @inlinable
  public func stateWords(ofLock id: Int) -> (node: NodeID, offset: Int) {
    let record = lockRecord(id)
    return (record.node, record.offset + 8)
  }

  /// The info word of a lock that is homed here.
  @inlinable
  public func ownInfo(ofLock id: Int) -> AtomicWord {
    AtomicWord(control + lockRecord(id).offset + 56)
  }
}
