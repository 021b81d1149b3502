import Coherence
import Fabric
import Node
import Platform
import Synchronization

/// The job's segments and names: a table in node 0's control memory, reached by one-sided operations
/// under one of the library's locks. No remote CPU takes part in making, opening or freeing a segment.
final class SegmentTable: Sendable {
  /// Words that the table takes of node 0's control memory (and, to keep one layout, of every node's): the
  /// number of entries that there ever were, and the entries, on cache lines.
  static func wordCount(_ c: Configuration) -> Int { headWordCount + c.shapeCount * SegmentEntry.wordCount }
  private static let headWordCount = 8
  /// The lock that guards the table.
  static let lockID = 0

  let engine: NodeEngine
  private let words: LockedWords
  private let objects: ObjectTable

  /// - Parameter words: at least `wordCount`.
  init(engine: NodeEngine, words: LockedWords, objects: ObjectTable) {
    self.engine = engine
    self.words = words
    self.objects = objects
  }

  // MARK: Access under the table's lock

  private var count: LockedWords { words.words(0, count: 1) }

  private func entries(_ first: Int, count: Int) -> LockedWords {
    words.words(
      Self.headWordCount + first * SegmentEntry.wordCount, count: count * SegmentEntry.wordCount)
  }

  /// The entries in use, at their indices.
  private func load() throws(EngineError) -> [SegmentEntry] {
    let used = try checkedCount(try engine.readControl(0, count)[0])
    if used == 0 { return [] }
    let words = try engine.readControl(0, entries(0, count: used))
    try check(entries: words)
    let size = SegmentEntry.wordCount
    return (0..<used).map { SegmentEntry(words: words[$0 * size..<($0 + 1) * size]) }
  }

  private func store(_ entry: SegmentEntry, at index: Int) throws(EngineError) {
    try engine.writeControl(0, entries(index, count: 1), entry.words)
  }

  private func withTable<R>(
    _ attempt: String, _ body: (inout [SegmentEntry]) throws -> R
  ) throws(MerinoError) -> R {
    do {
      let outcome = try engine.withLibraryLock(Self.lockID) {
        Result {
          var entries = try load()
          try reclaim(&entries)
          return try body(&entries)
        }
      }
      return try outcome.get()
    } catch let error as EngineError {
      throw MerinoError(engine: error, attempt)
    } catch let error as MerinoError {
      throw error
    } catch {
      throw MerinoError(.system, "could not \(attempt): \(error).")
    }
  }

  /// Entries whose pages all nodes have forgotten become free; ones that found the ring of freed
  /// ranges full try again.
  private func reclaim(_ entries: inout [SegmentEntry]) throws(EngineError) {
    for index in entries.indices where entries[index].state == .retiring {
      if entries[index].retirePosition == ~0 {
        guard let position = try engine.retire(entries[index].pages) else { continue }
        entries[index].retirePosition = position
        try store(entries[index], at: index)
      } else if engine.isReusable(entries[index].retirePosition) {
        let generation = entries[index].generation
        entries[index] = SegmentEntry()
        entries[index].generation = generation
        try store(entries[index], at: index)
      }
    }
  }

  private func retire(_ entry: inout SegmentEntry) throws(EngineError) {
    entry.state = .retiring
    let position = isAllocationRefused() ? nil : try engine.retire(entry.pages)
    entry.retirePosition = position ?? ~0
  }

  // MARK: Segments

  /// Makes a segment; returns its entry's index and the entry.
  func create(
    _ name: String, bytes: Int, unitShift: Int, placement: SegmentShape.Placement, placementNode: Int
  ) throws(MerinoError) -> (index: Int, entry: SegmentEntry) {
    let attempt = "make segment \"\(name)\" of \(bytes) bytes"
    try checkName(name, attempt)
    let unitPages = 1 << unitShift
    let pageBytes = engine.configuration.pageByteCount
    let pages = ((bytes + pageBytes - 1) / pageBytes + unitPages - 1) & ~(unitPages - 1)
    return try withTable(attempt) { entries in
      if entries.contains(where: { $0.state == .live && $0.name == name }) {
        throw MerinoError(
          .nameExists, "could not \(attempt): a segment of that name exists; open it, or take another name.")
      }
      guard let firstPage = findGap(pages, entries) else {
        throw MerinoError(.noSpace, noSpace(attempt, entries))
      }
      let index = try freeIndex(&entries, attempt)
      var entry = SegmentEntry()
      entry.state = .live
      entry.generation = entries[index].generation + 1
      entry.bytes = UInt64(bytes)
      entry.firstPage = firstPage
      entry.pageCount = pages
      entry.unitShift = unitShift
      entry.placement = placement
      entry.placementNode = NodeID(placementNode)
      entry.name = name
      try store(entry, at: index)
      return (index, entry)
    }
  }

  private func noSpace(_ attempt: String, _ entries: [SegmentEntry]) -> String {
    let pageBytes = engine.configuration.pageByteCount
    let used = entries.filter(\.state.hasPages).reduce(0) { $0 + $1.pageCount } * pageBytes
    let waiting = entries.contains { $0.state == .retiring }
    let hint = waiting ? " Freed segments give their addresses back after two barriers of all nodes." : ""
    return
      "could not \(attempt): the global address space of \(engine.configuration.capacityByteCount) bytes has "
      + "no free range of this size (\(used) bytes are taken); set MERINO_CAPACITY to more on all "
      + "nodes.\(hint)"
  }

  /// The lowest gap of whole chunks that holds `pages`.
  private func findGap(_ pages: Int, _ entries: [SegmentEntry]) -> Page? {
    if isAllocationRefused() { return nil }
    let chunk = engine.configuration.chunkPageCount
    let taken = entries.filter(\.state.hasPages).sorted { $0.firstPage < $1.firstPage }
    var start: Page = 0
    for entry in taken {
      if entry.firstPage - start >= pages { return start }
      start = (entry.pages.upperBound + (chunk - 1)).roundedDown(to: chunk)
    }
    return engine.configuration.endPage - start >= pages ? start : nil
  }

  private func freeIndex(_ entries: inout [SegmentEntry], _ attempt: String) throws -> Int {
    if let index = entries.firstIndex(where: { $0.state == .free }) { return index }
    guard entries.count < engine.configuration.shapeCount, !isAllocationRefused() else {
      throw MerinoError(
        .limitReached,
        "could not \(attempt): the table of \(engine.configuration.shapeCount) segments and named locks is "
          + "full; set MERINO_SEGMENTS to more on all nodes.")
    }
    entries.append(SegmentEntry())
    try engine.writeControl(0, count, [UInt64(entries.count)])
    return entries.count - 1
  }

  /// Keeps a range for the library itself, for ever.
  func reserve(_ shape: SegmentShape) throws(MerinoError) {
    try withTable("reserve the heap's range") { entries in
      let index = try freeIndex(&entries, "reserve the heap's range")
      let generation = entries[index].generation + 1
      try store(SegmentEntry(reserving: shape, generation: generation), at: index)
    }
  }

  func open(_ name: String) throws(MerinoError) -> (index: Int, entry: SegmentEntry) {
    let attempt = "open segment \"\(name)\""
    try checkName(name, attempt)
    return try withTable(attempt) { entries in
      guard let index = entries.firstIndex(where: { $0.state == .live && $0.name == name }) else {
        throw MerinoError(.notFound, "could not \(attempt): no segment has this name.")
      }
      return (index, entries[index])
    }
  }

  /// Looks a segment up, destroyed ones with views included.
  func look(_ index: Int, _ generation: UInt64) throws(MerinoError) -> SegmentEntry {
    try withTable("look up a segment") { entries in
      try self.entry(entries, index, generation, "look up a segment")
    }
  }

  private func entry(
    _ entries: [SegmentEntry], _ index: Int, _ generation: UInt64, _ attempt: String
  ) throws(MerinoError) -> SegmentEntry {
    guard entries.indices.contains(index), entries[index].generation == generation,
      entries[index].state.isSegment
    else {
      throw MerinoError(
        .invalidHandle, "could not \(attempt): the handle names no segment; it has been destroyed.")
    }
    return entries[index]
  }

  /// Counts a view in.
  func attach(_ index: Int, _ generation: UInt64) throws(MerinoError) -> SegmentEntry {
    try withTable("attach a segment") { entries in
      var entry = try self.entry(entries, index, generation, "attach a segment")
      entry.attachCount += 1
      try store(entry, at: index)
      return entry
    }
  }

  /// Counts a view out, whose diffs are placed. The last one of a destroyed segment gives its pages back.
  ///
  /// - Parameter unmap: ends the view, which nobody uses any more. It cannot fail, and comes last: a call
  ///   that fails has not unmapped it. Under the table's lock: nobody makes a segment of these addresses
  ///   before it is gone.
  func detach(_ index: Int, _ generation: UInt64, unmap: () -> Void = {}) throws(MerinoError) {
    try withTable("detach a segment") { entries in
      var entry = try self.entry(entries, index, generation, "detach a segment")
      guard entry.attachCount > 0 else { throw engine.bad(.segmentEntry, of: 0, entry.attachCount) }
      entry.attachCount -= 1
      if entry.state == .doomed && entry.attachCount == 0 { try retire(&entry) }
      try store(entry, at: index)
      unmap()
    }
  }

  /// Frees the name at once, the pages after the last detach.
  func destroy(_ index: Int, _ generation: UInt64) throws(MerinoError) {
    try withTable("destroy a segment") { entries in
      var entry = try self.entry(entries, index, generation, "destroy a segment")
      guard entry.state == .live else {
        throw MerinoError(.invalidHandle, "could not destroy a segment: it has been destroyed before.")
      }
      entry.state = .doomed
      if entry.attachCount == 0 { try retire(&entry) }
      try store(entry, at: index)
    }
  }

  /// Bytes of all segments that can be used, the heap's not counted.
  func bytesInUse() throws(MerinoError) -> Int {
    try withTable("count the segments' bytes") { entries in
      entries.filter(\.state.isSegment)
        .reduce(0) { $0 + $1.pageCount } * engine.configuration.pageByteCount
    }
  }

  // MARK: Named locks

  /// The lock of this name; made by the first who asks.
  func namedLock(_ name: String) throws(MerinoError) -> UInt64 {
    let attempt = "make lock \"\(name)\""
    try checkName(name, attempt)
    return try withTable(attempt) { entries in
      if let entry = entries.first(where: { $0.state == .namedLock && $0.name == name }) {
        return entry.bytes
      }
      let index = try freeIndex(&entries, attempt)
      var entry = SegmentEntry()
      entry.state = .namedLock
      entry.generation = entries[index].generation + 1
      entry.bytes = try objects.create(.lock).raw
      entry.name = name
      try store(entry, at: index)
      return entry.bytes
    }
  }

  /// Frees the name of a destroyed lock, if it had one.
  func forgetLock(_ handle: UInt64) throws(MerinoError) {
    try withTable("destroy a lock") { entries in
      guard let index = entries.firstIndex(where: { $0.state == .namedLock && $0.bytes == handle }) else {
        return
      }
      var entry = SegmentEntry()
      entry.generation = entries[index].generation
      try store(entry, at: index)
    }
  }

  private func checkName(_ name: String, _ attempt: String) throws(MerinoError) {
    let length = name.utf8.count
    if length == 0 || length >= SegmentEntry.nameByteCount || name.utf8.contains(0) {
      throw MerinoError(
        .invalidArgument,
        "could not \(attempt): a name has 1 to \(SegmentEntry.nameByteCount - 1) bytes of UTF-8 and no zero "
          + "byte; this one has \(length).")
    }
  }
}
