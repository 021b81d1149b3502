import Glibc
import Merino

extension SharedMemory {
  // MARK: shmat

  /// - Returns: the first byte of a new attachment.
  package func attach(
    _ identifier: Int32, at address: UnsafeMutableRawPointer?, flags: Int32
  ) throws(SystemVError) -> UnsafeMutableRawPointer {
    let attempt = "attach shared memory \(identifier)"
    let place = try place(address, flags, attempt)
    let isReadOnly = flags & SHM_RDONLY != 0
    // Counted first: what is attached nowhere could be given to somebody else.
    let (index, number) = try table.withLock { () throws(SystemVError) in
      let index = try table.find(identifier, attempt)
      let entry = table[index]
      guard entry.allows(isReadOnly ? 0o400 : 0o600) else {
        throw SystemVError(
          EACCES, "could not \(attempt): its mode is 0\(String(entry.mode & 0o777, radix: 8)).")
      }
      entry.attachCount += 1
      entry.attachTime = time(nil)
      entry.lastProcess = getpid()
      return (index, entry.number)
    }
    do throws(SystemVError) {
      let view = try merino { () throws(MerinoError) in
        try map(try segment(number), at: place, isReadOnly ? .read : .readWrite)
      }
      state.withLock {
        $0.attachments[UInt(bitPattern: view)] = Attachment(identifier: identifier, number: number)
      }
      return view
    } catch {
      // What this says, if anything, is what everything says then.
      try? table.withLock { () throws(SystemVError) in countOut(index) }
      throw error
    }
  }

  private func place(
    _ address: UnsafeMutableRawPointer?, _ flags: Int32, _ attempt: String
  ) throws(SystemVError) -> UnsafeMutableRawPointer? {
    if flags & SHM_REMAP != 0 || flags & SHM_EXEC != 0 {
      throw SystemVError(EINVAL, "could not \(attempt): SHM_REMAP and SHM_EXEC are not supported.")
    }
    guard let address else { return nil }
    let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
    let wanted = UInt(bitPattern: address)
    guard wanted % page == 0 || flags & SHM_RND != 0, wanted >= page else {
      throw SystemVError(
        EINVAL,
        "could not \(attempt) at 0x\(String(wanted, radix: 16)): that is no multiple of \(page), and SHM_RND "
          + "is not set."
      )
    }
    return UnsafeMutableRawPointer(bitPattern: wanted - wanted % page)
  }

  /// Maps a segment: where it is on all nodes if nothing is there yet, else anywhere.
  func map(
    _ segment: Segment, at place: UnsafeMutableRawPointer?, _ protection: ViewProtectionLimit
  ) throws(MerinoError) -> UnsafeMutableRawPointer {
    do throws(MerinoError) {
      return try segment.attach(at: place, protection: protection).baseAddress.unsafelyUnwrapped
    } catch {
      guard error.code == .addressInUse, place == nil else { throw error }
    }
    // A second attachment. Between finding addresses and taking them, another thread may map something there.
    for _ in 0..<64 {
      let bytes = segment.byteCount + 2 * segment.unitByteCount
      guard let found = mmap(nil, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
        found != MAP_FAILED
      else { break }
      munmap(found, bytes)
      do throws(MerinoError) {
        return try segment.attach(at: found, protection: protection).baseAddress.unsafelyUnwrapped
      } catch {
        guard error.code == .addressInUse else { throw error }
      }
    }
    throw MerinoError(
      .outOfMemory, "could not attach segment \"\(segment.name)\": this process has no free addresses for it."
    )
  }

  // MARK: shmdt

  package func detach(_ address: UnsafeRawPointer?) throws(SystemVError) {
    let key = UInt(bitPattern: address)
    guard let found = state.withLock({ $0.attachments.removeValue(forKey: key) }) else {
      throw SystemVError(
        EINVAL, "could not detach 0x\(String(key, radix: 16)): no shared memory is attached there.")
    }
    var isAttached = true
    do throws(SystemVError) {
      // Under the table's lock: where it is not to be had, nothing has changed.
      try table.withLock { () throws(SystemVError) in
        let index = try table.find(found.identifier, "detach shared memory")
        try merino { () throws(MerinoError) in
          try table.cluster.detach(UnsafeMutableRawPointer(bitPattern: key).unsafelyUnwrapped)
        }
        isAttached = false
        table[index].detachTime = time(nil)
        table[index].lastProcess = getpid()
        countOut(index)
      }
    } catch {
      // As where a part of it is pinned: it is still there.
      if isAttached { state.withLock { $0.attachments[key] = found } }
      throw error
    }
  }

  /// What is still attached when the process leaves is attached no more, as at the end of a process: others
  /// may wait for that. Its pages stay mapped until it has left. What fails here fails in leaving, too.
  package static func detachAtEnd() {
    guard let memory = current.withLock({ $0 }) else { return }
    let attachments = memory.state.withLock { state in
      defer { state.attachments = [:] }
      return state.attachments.values.map(\.identifier)
    }
    if attachments.isEmpty { return }
    try? memory.table.withLock { () throws(SystemVError) in
      for identifier in attachments {
        guard let index = try? memory.table.find(identifier, "leave") else { continue }
        memory.table[index].detachTime = time(nil)
        memory.table[index].lastProcess = getpid()
        memory.countOut(index)
      }
    }
  }

  /// One attachment less. Under the table's lock.
  func countOut(_ index: Int) {
    let entry = table[index]
    if entry.attachCount > 0 { entry.attachCount -= 1 }
    if entry.attachCount == 0 && entry.state == .removed { becomeSpare(entry) }
  }

  /// Nobody has it, and nobody can get it. Under the table's lock.
  func becomeSpare(_ entry: Entry) {
    entry.state = .spare
    entry.key = IPC_PRIVATE
  }
}
