import CPlatform
import Coherence
import Glibc

/// What a node tells the others when it joins.
struct Announcement {
  static let protocolVersion: UInt64 = 4
  /// The addresses that a process of an x86-64 or AArch64 system has: 47 bits, some of them taken.
  static let largestCapacity = 1 << 46
  static let lockRange = 128...16_777_216
  static let lockSlotRange = 8...65_536
  static let segmentRange = 8...65_535
  static let logEntryRange = 16...1 << 24
  var version = protocolVersion
  var pageByteCount: UInt64
  /// The limit of locked memory in bytes; ~0 where there is none.
  var lockableByteCount: UInt64
  /// What it may reserve of its host.
  var room: HostRoom
  /// 0 where the node leaves it to the others.
  var capacityByteCount: UInt64
  var lockCount: UInt64
  var lockSlotCount: UInt64
  var segmentCount: UInt64
  var logEntryCount: UInt64

  /// This node's settings.
  init(_ options: ClusterOptions) throws(MerinoError) {
    pageByteCount = UInt64(sysconf(Int32(_SC_PAGESIZE)))
    lockableByteCount = cplatform_lockable_byte_count()
    room = .now()
    let asked = try EnvironmentSettings.byteCount("MERINO_CAPACITY")
    let capacity = options.capacityByteCount ?? asked ?? 0
    guard (0...Self.largestCapacity).contains(capacity) else {
      throw MerinoError(
        .invalidArgument,
        "could not join: a capacity of \(capacity) bytes is out of range; the global address space has at "
          + "most \(Self.largestCapacity) bytes (MERINO_CAPACITY).")
    }
    capacityByteCount = UInt64(capacity)
    let locks = try EnvironmentSettings.count("MERINO_LOCKS", Self.lockRange)
    if let given = options.lockCount, !Self.lockRange.contains(given) {
      throw MerinoError(
        .invalidArgument,
        "could not join: a table of \(given) locks is out of range; it has \(Self.lockRange.lowerBound) to "
          + "\(Self.lockRange.upperBound) (MERINO_LOCKS).")
    }
    if let given = options.joinTimeoutMilliseconds, given <= 0 {
      throw MerinoError(
        .invalidArgument, "could not join: a time limit of \(given) ms to join is no time.")
    }
    lockCount = UInt64(options.lockCount ?? locks ?? 0)
    lockSlotCount = UInt64(try EnvironmentSettings.count("MERINO_LOCK_SLOTS", Self.lockSlotRange) ?? 0)
    segmentCount = UInt64(try EnvironmentSettings.count("MERINO_SEGMENTS", Self.segmentRange) ?? 0)
    logEntryCount = UInt64(try EnvironmentSettings.count("MERINO_LOG_ENTRIES", Self.logEntryRange) ?? 0)
  }

  /// Taken from the wire.
  init(words: [UInt64]) {
    var words = words[...]
    func next() -> UInt64 { words.popFirst() ?? 0 }
    version = next()
    pageByteCount = next()
    lockableByteCount = next()
    room = HostRoom(
      memoryByteCount: next(), addressByteCount: next(), fileByteCount: next(), promiseByteCount: next())
    capacityByteCount = next()
    lockCount = next()
    lockSlotCount = next()
    segmentCount = next()
    logEntryCount = next()
  }

  var words: [UInt64] {
    [
      version, pageByteCount, lockableByteCount, room.memoryByteCount, room.addressByteCount,
      room.fileByteCount, room.promiseByteCount, capacityByteCount, lockCount, lockSlotCount, segmentCount,
      logEntryCount,
    ]
  }
}

/// What all nodes conclude from all announcements, each by itself and all the same.
struct Agreement {
  /// Bytes of a chunk, the unit of registration and of the addresses of segments.
  static let chunkByteCount = 2 << 20

  var configuration: Configuration
  /// What decided a capacity that nobody asked for, where it is less than there would be without.
  let capacityBound: CapacityBound?
  /// The least of the nodes' limits of locked memory; ~0 where there is none.
  let lockableByteCount: UInt64

  /// - Parameters:
  ///   - nodesPerHost: the most nodes on one host.
  ///   - isRegistered: whether memory is registered with a device, and so counts against the limit of locked
  ///     memory: a capacity that nobody asked for then leaves room for chunks.
  init(
    _ all: [Announcement], nodesPerHost: Int = 1, isRegistered: Bool = false
  ) throws(MerinoError) {
    try Self.check(all)
    lockableByteCount = all.map(\.lockableByteCount).min() ?? ~0
    let room = HostRoom(leastOf: all.map(\.room))
    let capacity = try Self.common(
      all.map(\.capacityByteCount), "capacity (MERINO_CAPACITY)", 1...Announcement.largestCapacity)
    let locks = try Self.common(
      all.map(\.lockCount), "number of locks (MERINO_LOCKS)", Announcement.lockRange)
    let slots = try Self.common(
      all.map(\.lockSlotCount), "number of lock slots (MERINO_LOCK_SLOTS)", Announcement.lockSlotRange)
    let segments = try Self.common(
      all.map(\.segmentCount), "number of segments (MERINO_SEGMENTS)", Announcement.segmentRange)
    let entries = try Self.common(
      all.map(\.logEntryCount), "length of the logs (MERINO_LOG_ENTRIES)", Announcement.logEntryRange)
    let page = Int(all[0].pageByteCount)
    let chunk = Self.chunkByteCount
    var c = Configuration(nodeCount: all.count, pageCount: 0)
    c.pageShift = page.trailingZeroBitCount
    c.chunkShift = (chunk / page).trailingZeroBitCount
    if !isRegistered && room.isOpen { Self.reserveTables(&c) }
    if locks > 0 { c.lockCount = locks }
    if slots > 0 { c.lockSlotCount = slots }
    if segments > 0 { c.shapeCount = segments }
    if entries > 0 { c.logEntryCount = 1 << (Int.bitWidth - (entries - 1).leadingZeroBitCount) }
    if capacity > 0 {
      c.pageCount = (capacity + chunk - 1) / chunk * (chunk / page)
      (configuration, capacityBound) = (c, nil)
      return
    }
    let wanted =
      isRegistered
      ? Self.registeredDefaultCapacity : Self.reservedCapacity(memoryByteCount: room.memoryByteCount)
    c.pageCount = wanted / page
    var found: CapacityBound?
    while c.capacityByteCount > Self.smallestDefaultCapacity,
      let bound = Self.bound(
        c, room, lockableByteCount, nodesPerHost: nodesPerHost, isRegistered: isRegistered)
    {
      found = bound
      c.pageCount /= 2
    }
    (configuration, capacityBound) = (c, found)
  }

  /// The control memory of a node, with what this layer keeps in it.
  static func layout(_ c: Configuration) -> ControlLayout {
    ControlLayout(c, upperWordCount: SegmentTable.wordCount(c) + Collectives.wordCount)
  }

  private static func check(_ all: [Announcement]) throws(MerinoError) {
    for (node, other) in all.enumerated() {
      if other.version != all[0].version {
        throw MerinoError(
          .mismatch, "could not join: node \(node) runs another version of Merino than node 0.")
      }
      if other.pageByteCount != all[0].pageByteCount {
        throw MerinoError(
          .mismatch,
          "could not join: node \(node) has pages of \(other.pageByteCount) bytes, node 0 of "
            + "\(all[0].pageByteCount); all hosts of a job need the same page size.")
      }
    }
    let page = all[0].pageByteCount
    guard page <= 65_536 else {
      throw MerinoError(
        .notSupported, "could not join: pages of \(page) bytes are too large; up to 64 KiB work.")
    }
    guard page.nonzeroBitCount == 1 else {
      throw MerinoError(
        .mismatch, "could not join: node 0 announced pages of \(page) bytes, which no host has.")
    }
  }

  /// The value that all nodes that say one agree on; 0 where none does. Another node's is looked at before it
  /// is used.
  private static func common(
    _ values: [UInt64], _ what: String, _ range: ClosedRange<Int>
  ) throws(MerinoError) -> Int {
    var agreed: (value: Int, node: Int)?
    for (node, word) in values.enumerated() where word != 0 {
      guard let value = Int(exactly: word), range.contains(value) else {
        throw MerinoError(
          .mismatch,
          "could not join: node \(node) announced \(word) as the \(what), which is out of range; it is "
            + "\(range.lowerBound) to \(range.upperBound).")
      }
      if let agreed, agreed.value != value {
        throw MerinoError(
          .mismatch,
          "could not join: the \(what) is \(agreed.value) at node \(agreed.node) and \(value) at node "
            + "\(node); give all nodes the same.")
      }
      agreed = agreed ?? (value, node)
    }
    return agreed?.value ?? 0
  }
}
