import Glibc
import Merino

extension SharedMemory {
  /// SHM_DEST and SHM_LOCKED of <sys/shm.h>, which are bits of a mode.
  private static let removedBit: UInt32 = 0o1000
  private static let lockedBit: UInt32 = 0o2000
  /// Of <linux/ipc.h>: <sys/ipc.h> shows it under _GNU_SOURCE only.
  private static let limitsCommand: Int32 = 3

  /// - Returns: what `shmctl` gives: 0, or for `SHM_STAT` an identifier, for `IPC_INFO` and `SHM_INFO` the
  ///   highest place in use.
  package func control(
    _ identifier: Int32, _ command: Int32, _ buffer: UnsafeMutableRawPointer?
  ) throws(SystemVError) -> Int32 {
    switch command {
    case IPC_RMID: try remove(identifier)
    case IPC_SET:
      try change(identifier, try description(buffer, "change shared memory \(identifier)").pointee)
    case IPC_STAT: return try describe(identifier, isPlace: false, command, buffer)
    case SHM_STAT, SHM_STAT_ANY: return try describe(identifier, isPlace: true, command, buffer)
    case SHM_LOCK, SHM_UNLOCK: try lock(identifier, command == SHM_LOCK)
    case Self.limitsCommand: return try limits(buffer)
    case SHM_INFO: return try usage(buffer)
    default:
      throw SystemVError(
        EINVAL, "could not control shared memory \(identifier): there is no command \(command).")
    }
    return 0
  }

  private func description(
    _ buffer: UnsafeMutableRawPointer?, _ attempt: String
  ) throws(SystemVError) -> UnsafeMutablePointer<shmid_ds> {
    guard let buffer else {
      throw SystemVError(EFAULT, "could not \(attempt): the buffer is a null pointer.")
    }
    return buffer.assumingMemoryBound(to: shmid_ds.self)
  }

  private func remove(_ identifier: Int32) throws(SystemVError) {
    let attempt = "remove shared memory \(identifier)"
    try table.withLock { () throws(SystemVError) in
      let entry = try ofCaller(identifier, attempt)
      // Its key is free at once; attachments keep the rest.
      entry.key = IPC_PRIVATE
      entry.state = .removed
      if entry.attachCount == 0 { becomeSpare(entry) }
    }
  }

  private func change(_ identifier: Int32, _ wanted: shmid_ds) throws(SystemVError) {
    try table.withLock { () throws(SystemVError) in
      let entry = try ofCaller(identifier, "change shared memory \(identifier)")
      entry.owner = Identity(user: wanted.shm_perm.uid, group: wanted.shm_perm.gid)
      entry.mode = entry.mode & ~0o777 | UInt32(wanted.shm_perm.mode) & 0o777
      entry.changeTime = time(nil)
    }
  }

  /// Its pages are not swapped anyway where a device reaches them; the bit is kept as the kernel keeps it.
  private func lock(_ identifier: Int32, _ isLocked: Bool) throws(SystemVError) {
    try table.withLock { () throws(SystemVError) in
      let entry = try ofCaller(identifier, "lock shared memory \(identifier)")
      entry.mode = entry.mode & ~Self.lockedBit | (isLocked ? Self.lockedBit : 0)
    }
  }

  private func ofCaller(_ identifier: Int32, _ attempt: String) throws(SystemVError) -> Entry {
    let entry = table[try table.find(identifier, attempt)]
    guard entry.isCallers else {
      throw SystemVError(EPERM, "could not \(attempt): only its owner and its creator may.")
    }
    return entry
  }

  private func describe(
    _ given: Int32, isPlace: Bool, _ command: Int32, _ buffer: UnsafeMutableRawPointer?
  ) throws(SystemVError) -> Int32 {
    let attempt = "describe shared memory \(given)"
    let buffer = try description(buffer, attempt)
    // Into private memory first: the buffer may be anywhere, the same table's lock must not be held for its
    // page.
    let (identifier, found) = try table.withLock { () throws(SystemVError) in
      var identifier = given
      if isPlace {
        guard given >= 0, given < table.count else {
          throw SystemVError(EINVAL, "could not \(attempt): there is no place \(given) in the table.")
        }
        identifier = table.identifier(of: Int(given))
      }
      let entry = table[try table.find(identifier, attempt)]
      guard command == SHM_STAT_ANY || entry.allows(0o400) else {
        throw SystemVError(
          EACCES, "could not \(attempt): its mode is 0\(String(entry.mode & 0o777, radix: 8)).")
      }
      return (identifier, Self.description(of: entry))
    }
    buffer.pointee = found
    return isPlace ? identifier : 0
  }

  private static func description(of entry: Entry) -> shmid_ds {
    var found = shmid_ds()
    found.shm_perm.__key = entry.key
    found.shm_perm.uid = entry.owner.user
    found.shm_perm.gid = entry.owner.group
    found.shm_perm.cuid = entry.creator.user
    found.shm_perm.cgid = entry.creator.group
    found.shm_perm.mode = .init(entry.mode | (entry.state == .removed ? removedBit : 0))
    found.shm_perm.__seq = .init(truncatingIfNeeded: entry.sequence)
    found.shm_segsz = entry.byteCount
    found.shm_atime = entry.attachTime
    found.shm_dtime = entry.detachTime
    found.shm_ctime = entry.changeTime
    found.shm_cpid = entry.creatorProcess
    found.shm_lpid = entry.lastProcess
    found.shm_nattch = .init(entry.attachCount)
    return found
  }

  private func limits(_ buffer: UnsafeMutableRawPointer?) throws(SystemVError) -> Int32 {
    guard let buffer else {
      throw SystemVError(EFAULT, "could not tell the limits: the buffer is a null pointer.")
    }
    var limits = shminfo()
    limits.shmmax = UInt(table.cluster.capacityByteCount)
    limits.shmmin = 1
    limits.shmmni = UInt(Table.capacity)
    limits.shmseg = UInt(Table.capacity)
    limits.shmall = UInt(table.cluster.capacityByteCount / sysconf(Int32(_SC_PAGESIZE)))
    let highest = try table.withLock { () throws(SystemVError) in highestPlace }
    buffer.assumingMemoryBound(to: shminfo.self).pointee = limits
    return highest
  }

  private func usage(_ buffer: UnsafeMutableRawPointer?) throws(SystemVError) -> Int32 {
    guard let buffer else {
      throw SystemVError(EFAULT, "could not tell the usage: the buffer is a null pointer.")
    }
    var usage = shm_info()
    let page = sysconf(Int32(_SC_PAGESIZE))
    let highest = try table.withLock { () throws(SystemVError) in
      for index in 0..<table.count where table[index].state == .live || table[index].state == .removed {
        usage.used_ids += 1
        usage.shm_tot += .init((table[index].byteCount + page - 1) / page)
      }
      return highestPlace
    }
    usage.shm_rss = usage.shm_tot
    buffer.assumingMemoryBound(to: shm_info.self).pointee = usage
    return highest
  }

  private var highestPlace: Int32 {
    Int32((0..<table.count).last { table[$0].state == .live || table[$0].state == .removed } ?? 0)
  }
}
