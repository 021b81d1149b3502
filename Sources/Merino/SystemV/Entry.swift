import Glibc

/// An identifier's place in the table, 128 bytes of shared memory. Read and changed under the table's lock
/// only.
struct Entry {
  enum State: UInt64 {
    case free = 0
    /// It has a key, or is private.
    case live = 1
    /// Removed by `IPC_RMID`; attachments keep it. It has no key any more.
    case removed = 2
    /// Gone; its Merino segment waits for the next identifier of its size.
    case spare = 3
  }

  static let byteCount = 128
  private let words: UnsafeMutablePointer<UInt64>

  /// - Parameter address: of 128 bytes in the view of the table.
  init(at address: UnsafeMutableRawPointer) {
    // The table is nothing but words, in a view that lasts as long as this process is a node.
    words = address.assumingMemoryBound(to: UInt64.self)
  }

  var state: State {
    get { State(rawValue: words[0]) ?? .free }
    nonmutating set { words[0] = newValue.rawValue }
  }
  /// The first of its words that says what no node writes; `nil` where all are right.
  func badWord(byteLimit: UInt64) -> UInt64? {
    guard let state = State(rawValue: words[0]) else { return words[0] }
    if state == .free { return nil }
    // Segments are whole pages.
    if words[5] > byteLimit { return words[5] }
    if words[3] > words[5] { return words[3] }
    return words[10] <= UInt64(UInt32.max) ? nil : words[10]
  }
  /// How often this place was given out: a part of the identifier.
  var sequence: UInt64 {
    get { words[1] }
    nonmutating set { words[1] = newValue }
  }
  var key: key_t {
    get { key_t(truncatingIfNeeded: words[2]) }
    nonmutating set { words[2] = UInt64(UInt32(bitPattern: newValue)) }
  }
  /// What was asked for.
  var byteCount: Int {
    get { Int(truncatingIfNeeded: words[3]) }
    nonmutating set { words[3] = UInt64(newValue) }
  }
  /// Which Merino segment it is.
  var number: UInt64 {
    get { words[4] }
    nonmutating set { words[4] = newValue }
  }
  /// Bytes of that segment; at least `byteCount`.
  var capacity: Int {
    get { Int(truncatingIfNeeded: words[5]) }
    nonmutating set { words[5] = UInt64(newValue) }
  }
  /// The permissions, and SHM_LOCKED.
  var mode: UInt32 {
    get { UInt32(truncatingIfNeeded: words[7]) }
    nonmutating set { words[7] = UInt64(newValue) }
  }
  var owner: Identity {
    get { Identity(word: words[8]) }
    nonmutating set { words[8] = newValue.word }
  }
  var creator: Identity {
    get { Identity(word: words[9]) }
    nonmutating set { words[9] = newValue.word }
  }
  /// Attachments of all nodes.
  var attachCount: UInt64 {
    get { words[10] }
    nonmutating set { words[10] = newValue }
  }
  var creatorProcess: pid_t {
    get { pid_t(truncatingIfNeeded: words[11]) }
    nonmutating set { words[11] = UInt64(newValue) }
  }
  var lastProcess: pid_t {
    get { pid_t(truncatingIfNeeded: words[12]) }
    nonmutating set { words[12] = UInt64(newValue) }
  }
  var attachTime: Int {
    get { Int(truncatingIfNeeded: words[13]) }
    nonmutating set { words[13] = UInt64(newValue) }
  }
  var detachTime: Int {
    get { Int(truncatingIfNeeded: words[14]) }
    nonmutating set { words[14] = UInt64(newValue) }
  }
  var changeTime: Int {
    get { Int(truncatingIfNeeded: words[15]) }
    nonmutating set { words[15] = UInt64(newValue) }
  }
}

/// A user and a group. Numbers mean the same on all hosts of a cluster, as they do for its file system.
struct Identity: Equatable {
  var user: uid_t
  var group: gid_t

  init(user: uid_t, group: gid_t) {
    self.user = user
    self.group = group
  }

  init(word: UInt64) {
    user = uid_t(truncatingIfNeeded: word)
    group = gid_t(truncatingIfNeeded: word >> 32)
  }

  var word: UInt64 { UInt64(user) | UInt64(group) << 32 }

  /// Who calls.
  static var caller: Identity { Identity(user: geteuid(), group: getegid()) }
}

extension Entry {
  /// Whether the caller may do what `wanted` (of 0o600, as for the owner) asks for: as the kernel decides for
  /// its own.
  func allows(_ wanted: UInt32) -> Bool {
    let caller = Identity.caller
    if caller.user == 0 { return true }
    var granted = mode
    if caller.user == owner.user || caller.user == creator.user {
      granted >>= 6
    } else if Self.isMember(owner.group) || Self.isMember(creator.group) {
      granted >>= 3
    }
    return wanted >> 6 & ~granted & 0o7 == 0
  }

  /// Whether the caller may change or remove it.
  var isCallers: Bool {
    let user = Identity.caller.user
    return user == 0 || user == owner.user || user == creator.user
  }

  private static func isMember(_ group: gid_t) -> Bool {
    if getegid() == group { return true }
    var groups = [gid_t](repeating: 0, count: Int(max(0, getgroups(0, nil))))
    let count = getgroups(Int32(groups.count), &groups)
    return groups.prefix(Int(max(0, count))).contains(group)
  }
}
