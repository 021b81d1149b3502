import Fabric
import Platform

// Control memory by its places: this node's by loads and stores, everybody's by the fabric's operations.

extension Engine {
  // MARK: This node's

  @inlinable func own(_ place: OwnWord) -> SharedWord<E.W> { SharedWord(control + place.offset) }
  @inlinable func own(_ place: MailWord) -> SharedWord<E.W> { SharedWord(control + place.offset) }
  @inlinable func own(_ place: LockedWords) -> SharedWord<E.W> { SharedWord(control + place.offset) }
  @inlinable func own(_ places: OwnWords) -> SharedWords<E.W> { SharedWords(control + places.offset) }
  @inlinable func own<Kind>(_ places: MailBytes<Kind>) -> ByteTable<E.W, Kind> {
    ByteTable(control + places.offset)
  }
  /// What the word says now. It is changed by the fabric's atomics alone, which a processor's atomic is none
  /// beside.
  @inlinable func look(_ place: FabricWord) -> UInt64 { SharedWord<E.W>(control + place.offset).load() }
  /// A plain store, where nobody uses the word.
  @inlinable func forget(_ place: FabricWord) { SharedWord<E.W>(control + place.offset).store(0) }
  @inlinable func clock(_ places: MailWords) -> Clock<E.W> { Clock(control + places.offset) }
  @inlinable func clock(_ places: LockedWords) -> Clock<E.W> { Clock(control + places.offset) }

  @inlinable var noticeBuffer: SharedWords<E.W> { SharedWords(control + layout.noticeBuffer) }
  @inlinable var ones: UnsafeMutableRawPointer { control + layout.ones }
  /// Two pages.
  @inlinable var scratchPages: UnsafeMutableRawPointer { control + layout.scratchPages }

  @inlinable
  func workspace(_ index: Int) -> Workspace<E.W> {
    Workspace(control + layout.workspaces + index &* layout.workspaceByteCount, index: index)
  }

  // MARK: A peer's, where the fabric maps it: its atomics are the processor's there

  @inlinable
  func controlMapping(of peer: NodeID) -> UnsafeMutableRawPointer? {
    UnsafeMutableRawPointer(bitPattern: UInt(local.controlMappings[peer].loadRelaxed()))
  }

  @inlinable
  func word(_ place: FabricWord, in mapping: UnsafeMutableRawPointer) -> SharedWord<E.W> {
    SharedWord(mapping + place.offset)
  }

  @inlinable
  func clock(_ places: LockedWords, in mapping: UnsafeMutableRawPointer) -> Clock<E.W> {
    Clock(mapping + places.offset)
  }

  // MARK: Everybody's

  @inlinable
  func read(
    _ batch: inout E.F.Batch, _ span: ControlSpan, of peer: NodeID, into: UnsafeMutableRawPointer
  ) {
    fabric.read(&batch, from: remote(peer, span.offset), into: into, byteCount: span.byteCount)
  }

  /// `from`: as many bytes as the span has.
  @inlinable
  func write(
    _ batch: inout E.F.Batch, from: UnsafeRawPointer, to span: WritableSpan, of peer: NodeID
  ) {
    fabric.write(&batch, from: from, byteCount: span.byteCount, to: remote(peer, span.offset))
  }

  @inlinable
  func compareAndSwap(
    _ batch: inout E.F.Batch, _ word: FabricWord, of peer: NodeID, expected: UInt64, desired: UInt64,
    old: UnsafeMutableRawPointer
  ) {
    fabric.compareAndSwap(
      &batch, at: remote(peer, word.offset), expected: expected, desired: desired, old: old)
  }

  @inlinable
  func remote(_ peer: NodeID, _ offset: Int) -> RemoteAddress {
    fabric.controlMemory(of: peer).advanced(by: offset)
  }

  /// Submits the batch, and waits until it has completed, with whatever else belongs to the workspace's
  /// flight.
  @inlinable
  func complete(_ batch: E.F.Batch, _ w: Workspace<E.W>) throws(EngineError) {
    fabric.submit(batch, w.flight)
    try wait(w.flight)
  }
}
