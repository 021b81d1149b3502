import Glibc
import Merino
import Synchronization

/// `shmget` and its like, across the nodes of a job. Thread-safe.
package final class SharedMemory: Sendable {
  /// An attachment of this process.
  struct Attachment {
    let identifier: Int32
    let number: UInt64
  }
  struct State {
    /// By address.
    var attachments: [UInt: Attachment] = [:]
    /// The Merino segments that this process has met, by number.
    var segments: [UInt64: Segment] = [:]
  }

  let table: Table
  let state = Mutex(State())
  static let current = Mutex<SharedMemory?>(nil)

  private init(_ cluster: Cluster) throws(MerinoError) { table = try Table(cluster) }

  /// That of this process's job.
  package static func ofThisJob() throws(SystemVError) -> SharedMemory {
    try merino { () throws(MerinoError) in
      // Not under the lock, which a thread may have held when the process forked.
      let cluster = try Cluster.current()
      // Before anything is said of identifiers: what others have done to them cannot be seen any more.
      try cluster.checkPeers()
      return try current.withLock { current throws(MerinoError) in
        if let current { return current }
        let made = try SharedMemory(cluster)
        current = made
        return made
      }
    }
  }

  // MARK: shmget

  /// - Returns: an identifier, which means the same on all nodes.
  package func get(key: key_t, byteCount: Int, flags: Int32) throws(SystemVError) -> Int32 {
    let attempt = "get shared memory of key \(Self.text(key)) and \(UInt(bitPattern: byteCount)) bytes"
    return try table.withLock { () throws(SystemVError) in
      if key != IPC_PRIVATE, let found = table.find(key: key) {
        return try existing(found, byteCount, flags, attempt)
      }
      guard key == IPC_PRIVATE || flags & IPC_CREAT != 0 else {
        throw SystemVError(ENOENT, "could not \(attempt): the job has none, and IPC_CREAT is not set.")
      }
      let index = try make(byteCount, attempt)
      let entry = table[index]
      entry.key = key
      entry.sequence += 1
      entry.mode = UInt32(flags & 0o777)
      entry.owner = .caller
      entry.creator = .caller
      entry.creatorProcess = getpid()
      entry.lastProcess = 0
      entry.attachCount = 0
      entry.attachTime = 0
      entry.detachTime = 0
      entry.changeTime = time(nil)
      entry.state = .live
      return table.identifier(of: index)
    }
  }

  private func existing(
    _ index: Int, _ byteCount: Int, _ flags: Int32, _ attempt: String
  ) throws(SystemVError) -> Int32 {
    let entry = table[index]
    if flags & (IPC_CREAT | IPC_EXCL) == IPC_CREAT | IPC_EXCL {
      throw SystemVError(EEXIST, "could not \(attempt): it exists, and IPC_EXCL is set.")
    }
    guard entry.allows(UInt32(flags & 0o777) | UInt32(flags & 0o77) << 3 | UInt32(flags & 0o7) << 6) else {
      throw SystemVError(
        EACCES, "could not \(attempt): its mode is 0\(String(entry.mode & 0o777, radix: 8)).")
    }
    // A size beyond the range of Int arrives negative.
    guard byteCount >= 0, byteCount <= entry.byteCount else {
      throw SystemVError(EINVAL, "could not \(attempt): it was made with \(entry.byteCount) bytes.")
    }
    return table.identifier(of: index)
  }

  /// A place in the table with a Merino segment of zeros.
  private func make(_ byteCount: Int, _ attempt: String) throws(SystemVError) -> Int {
    guard byteCount > 0, byteCount <= table.cluster.capacityByteCount else {
      throw SystemVError(
        byteCount == 0 ? EINVAL : ENOSPC,
        "could not \(attempt): it takes 1 to \(table.cluster.capacityByteCount) bytes, the capacity of the "
          + "global address space (MERINO_CAPACITY).")
    }
    if let spare = spare(byteCount, upTo: 2 * byteCount) { return try reuse(spare, byteCount) }
    do throws(SystemVError) {
      return try makeNew(byteCount, attempt)
    } catch {
      guard error.errno == ENOSPC, let spare = spare(byteCount, upTo: .max) else { throw error }
      return try reuse(spare, byteCount)
    }
  }

  private func makeNew(_ byteCount: Int, _ attempt: String) throws(SystemVError) -> Int {
    let free = (0..<table.count).first { table[$0].state == .free }
    guard let index = free ?? (table.count < Table.capacity ? table.count : nil) else {
      throw SystemVError(
        ENOSPC,
        "could not \(attempt): the job has \(Table.capacity) identifiers, as many as there can be; remove "
          + "some."
      )
    }
    let number = table.takeNumber()
    let segment = try merino { () throws(MerinoError) in
      try table.cluster.createSegment(named: Self.name(number), byteCount: byteCount)
    }
    state.withLock { $0.segments[number] = segment }
    if index == table.count { table.count += 1 }
    let entry = table[index]
    entry.number = number
    let page = sysconf(Int32(_SC_PAGESIZE))
    entry.capacity = (byteCount + page - 1) / page * page
    entry.byteCount = byteCount
    return index
  }

  /// The smallest spare that will do.
  private func spare(_ byteCount: Int, upTo limit: Int) -> Int? {
    let page = sysconf(Int32(_SC_PAGESIZE))
    return (0..<table.count)
      .filter { table[$0].state == .spare && table[$0].capacity >= byteCount }
      .filter { table[$0].capacity <= max(limit, page) }
      .min { table[$0].capacity < table[$1].capacity }
  }

  /// A spare holds what its last user left.
  private func reuse(_ index: Int, _ byteCount: Int) throws(SystemVError) -> Int {
    let entry = table[index]
    try merino { () throws(MerinoError) in
      let view = try map(try segment(entry.number), at: nil, .readWrite)
      memset(view, 0, entry.capacity)
      try table.cluster.detach(view)
    }
    entry.byteCount = byteCount
    return index
  }

  static func name(_ number: UInt64) -> String { "merino.sysv.shm.\(number)" }
  static func text(_ key: key_t) -> String {
    key == IPC_PRIVATE ? "IPC_PRIVATE" : "0x" + String(UInt32(bitPattern: key), radix: 16)
  }

  /// The Merino segment of this number.
  func segment(_ number: UInt64) throws(MerinoError) -> Segment {
    if let known = state.withLock({ $0.segments[number] }) { return known }
    let found = try table.cluster.openSegment(named: Self.name(number))
    state.withLock { $0.segments[number] = found }
    return found
  }
}
