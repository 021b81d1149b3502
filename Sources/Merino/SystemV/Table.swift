import Glibc
import Merino

/// The identifiers of a job's System V shared memory: a table in a Merino segment, which the first node that
/// asks makes, under a lock of the library's own. Each identifier is a Merino segment of its own.
///
/// A segment that is gone stays as a spare for the next identifier: programs of this kind know no barrier of
/// all nodes, which is what gives the addresses of a destroyed Merino segment back.
final class Table: Sendable {
  /// As many as Linux has by default (SHMMNI).
  static let capacity = 4096
  /// The entries begin behind a page with two words: how many there ever were, and the next segment's number.
  private static let headerByteCount = 4096
  private static let name = "merino.sysv.shm"

  let cluster: Cluster
  private let base: UInt

  init(_ cluster: Cluster) throws(MerinoError) {
    self.cluster = cluster
    let view = try Self.segment(cluster).attach()
    base = UInt(bitPattern: view.baseAddress)
  }

  private static func segment(_ cluster: Cluster) throws(MerinoError) -> Segment {
    do throws(MerinoError) {
      return try cluster.openSegment(named: name)
    } catch {
      guard error.code == .notFound else { throw error }
    }
    do throws(MerinoError) {
      return try cluster.createSegment(
        named: name, byteCount: headerByteCount + capacity * Entry.byteCount)
    } catch {
      // Another node was quicker.
      guard error.code == .nameExists else { throw error }
      return try cluster.openSegment(named: name)
    }
  }

  /// Runs `body` with the table to itself. It may take page faults: it is ordinary shared memory.
  func withLock<R>(_ body: () throws(SystemVError) -> R) throws(SystemVError) -> R {
    do {
      return try LibraryLock.systemV.withLock("look into the table of System V's shared memory") {
        try check()
        return try body()
      }
    } catch let error as SystemVError {
      throw error
    } catch let error as MerinoError {
      throw SystemVError(error)
    } catch {
      throw SystemVError(EIO, "could not look into the table of System V's shared memory: \(error).")
    }
  }

  /// How many entries there ever were.
  var count: Int {
    // Checked under the lock (`check`).
    get { Int(truncatingIfNeeded: header[0]) }
    set { header[0] = UInt64(newValue) }
  }

  /// The table is shared memory, which anything on any node can overwrite: numbers that become sizes and
  /// places here are looked at before they are used. Under the lock.
  private func check() throws(SystemVError) {
    guard header[0] <= UInt64(Self.capacity) else { throw corrupt("number of identifiers", header[0]) }
    let limit = UInt64(cluster.capacityByteCount)
    for index in 0..<count {
      if let bad = self[index].badWord(byteLimit: limit) { throw corrupt("entry \(index)", bad) }
    }
  }

  private func corrupt(_ what: String, _ value: UInt64) -> SystemVError {
    SystemVError(
      EIO,
      "the job's table of System V shared memory is damaged: its \(what) says 0x\(String(value, radix: 16)); "
        + "a node has overwritten the segment \"\(Self.name)\". End the job.")
  }

  /// A number that no segment had.
  func takeNumber() -> UInt64 {
    header[1] += 1
    return header[1]
  }

  private var header: UnsafeMutablePointer<UInt64> {
    // In the table's view, which lasts as long as this process is a node.
    UnsafeMutablePointer(bitPattern: base).unsafelyUnwrapped
  }

  subscript(index: Int) -> Entry {
    precondition(index >= 0 && index < Self.capacity)
    let offset = UInt(Self.headerByteCount + index * Entry.byteCount)
    return Entry(at: UnsafeMutableRawPointer(bitPattern: base + offset).unsafelyUnwrapped)
  }

  // MARK: Identifiers: the place in the low 12 bits, how often it was given out above, never negative

  func identifier(of index: Int) -> Int32 {
    Int32(truncatingIfNeeded: self[index].sequence & 0x7FFFF) << 12 | Int32(index)
  }

  /// The place of an identifier that lives, or has been removed and is attached.
  func find(_ identifier: Int32, _ attempt: String) throws(SystemVError) -> Int {
    let index = Int(identifier & 0xFFF)
    guard identifier >= 0, index < count, self.identifier(of: index) == identifier,
      self[index].state == .live || self[index].state == .removed
    else {
      throw SystemVError(
        EINVAL, "could not \(attempt): \(identifier) identifies no shared memory; it has been removed.")
    }
    return index
  }

  func find(key: Int32) -> Int? {
    (0..<count).first { self[$0].state == .live && self[$0].key == key }
  }
}
