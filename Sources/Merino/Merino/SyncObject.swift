import Coherence
import Fabric
import Node
import Platform
import Synchronization

/// What a handle names.
enum ObjectKind: UInt64, Sendable {
  case lock = 1
  case readWriteLock = 2
  case event = 3
  case condition = 4
  case barrier = 5

  var name: String {
    switch self {
    case .lock: "lock"
    case .readWriteLock: "reader-writer lock"
    case .event: "event"
    case .condition: "condition"
    case .barrier: "barrier"
    }
  }
}

/// A handle of a lock, event, condition or barrier: means the same on every node and can be stored in
/// shared memory. kind (8 bits), generation (32 bits), number of the record (24 bits); never 0.
///
/// The generation wraps: a handle that is kept while its node makes 2^32 more objects may name one of those.
struct ObjectHandle: Equatable, Sendable {
  let raw: UInt64

  init(raw: UInt64) { self.raw = raw }
  init(kind: ObjectKind, generation: UInt64, id: Int) {
    precondition(id >= 0 && id >> 24 == 0, "a record's number does not fit into 24 bits")
    raw = kind.rawValue << 56 | (generation & 0xFFFF_FFFF) << 24 | UInt64(id)
  }
  var kind: ObjectKind? { ObjectKind(rawValue: raw >> 56) }
  var generation: UInt64 { raw >> 24 & 0xFFFF_FFFF }
  var id: Int { Int(raw & 0xFF_FFFF) }
}

/// The handles that this node has looked up and found alive, a word a record; 0 for none. Every use of an
/// object looks here, so there is no lock. In the node's sparse memory: most records are never used.
struct KnownHandles: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer

  /// - Parameter base: `byteCount` zero bytes that stay as long as the node is in the job.
  init(_ base: UnsafeMutableRawPointer) { self.base = base }

  static func byteCount(_ c: Configuration) -> Int { c.lockCount * MemoryLayout<UInt64>.stride }

  /// `id`: of a record that there is. A release: whoever finds the handle finds what the object was made of.
  subscript(id: Int) -> AtomicWord { AtomicWord(base + id * MemoryLayout<UInt64>.stride) }
}

/// The records of synchronisation objects: an engine's lock each, whose six state words and info word
/// serve the object. A node makes objects from the records that are homed at it, so making one is a
/// local act. The info word of a record in use is its handle; 0 is free.
final class ObjectTable: Sendable {
  /// Records that the library keeps for itself.
  static let reservedCount = 64

  private let engine: NodeEngine
  private struct State {
    var cursor = 0
    var generation: UInt64 = 0
    /// Records that a thread of this node is making an object of.
    var pending: Set<Int> = []
  }
  private let state = Mutex(State())
  private let known: KnownHandles

  init(engine: NodeEngine, known: KnownHandles) {
    self.engine = engine
    self.known = known
  }

  /// - Parameter first: the first of the state words; the others are 0.
  func create(_ kind: ObjectKind, first: UInt64 = 0) throws(MerinoError) -> ObjectHandle {
    try attempting("make a \(kind.name)") { () throws(EngineError) in try engine.checkPeers() }
    let lockCount = engine.configuration.lockCount
    let nodeCount = engine.configuration.nodeCount
    let handle: ObjectHandle? = state.withLock { state in
      if isAllocationRefused() { return nil }
      let here = (lockCount - engine.node.number + nodeCount - 1) / nodeCount
      for step in 0..<here {
        let index = (state.cursor + step) % here
        let id = index * nodeCount + engine.node.number
        if id < Self.reservedCount || engine.ownInfo(ofLock: id) != 0 { continue }
        // Another thread has it, and has not stored its handle yet.
        if !state.pending.insert(id).inserted { continue }
        state.cursor = index + 1
        state.generation += 1
        let handle = ObjectHandle(kind: kind, generation: state.generation, id: id)
        return handle
      }
      return nil
    }
    guard let handle else {
      throw MerinoError(
        .limitReached,
        "could not make a \(kind.name): this node's share of the job's \(lockCount) locks is in use; set "
          + "MERINO_LOCKS to more on all nodes.")
    }
    defer { state.withLock { _ = $0.pending.remove(handle.id) } }
    // Nobody has the handle yet; whoever gets it does so by a synchronisation after this.
    let words = [first, 0, 0, 0, 0, 0, handle.raw]
    let (home, record) = engine.lockRecord(handle.id)
    try attempting("make a \(kind.name)") { () throws(EngineError) in
      try engine.writeControl(home, record.state, words)
    }
    known[handle.id].store(handle.raw)
    return handle
  }

  /// The record's number, after a look at its home the first time that this node meets the handle.
  /// A handle that another node destroys later may go unnoticed here.
  func resolve(_ raw: UInt64, as kind: ObjectKind) throws(MerinoError) -> Int {
    let handle = ObjectHandle(raw: raw)
    // Before anything else is said of the object: nobody can be sure of its state any more.
    if engine.isOver {
      try attempting("use the \(kind.name) 0x\(String(raw, radix: 16))") { () throws(EngineError) in
        try engine.checkPeers()
      }
    }
    guard handle.kind == kind, handle.id >= Self.reservedCount, handle.id < engine.configuration.lockCount
    else { throw Self.invalid(raw, kind) }
    if known[handle.id].load() == raw { return handle.id }
    let (home, record) = engine.lockRecord(handle.id)
    let words = try attempting("look up a \(kind.name)") { () throws(EngineError) in
      try engine.readControl(home, record.info)
    }
    guard words[0] == raw else { throw Self.invalid(raw, kind) }
    known[handle.id].store(raw)
    return handle.id
  }

  /// "the lock 0x100…", of a record that this node uses.
  func name(of id: Int) -> String {
    let raw = known[id].load()
    if raw == 0 { return "a lock of the library's own" }
    let kind = ObjectHandle(raw: raw).kind ?? .lock
    // Whoever changes an object has its record's lock for that moment.
    return "the \(kind.name) 0x\(String(raw, radix: 16))"
  }

  static func invalid(_ raw: UInt64, _ kind: ObjectKind) -> MerinoError {
    MerinoError(
      .invalidHandle,
      "0x\(String(raw, radix: 16)) names no \(kind.name): it was never made, or has been destroyed.")
  }

  /// Frees the record of an object that nobody uses. `isIdle` looks at the state words under its lock.
  func destroy(
    _ raw: UInt64, as kind: ObjectKind, isIdle: ([UInt64]) -> Bool
  ) throws(MerinoError) {
    let id = try resolve(raw, as: kind)
    let inUse = MerinoError(.busy, "could not destroy a \(kind.name): it is held, or somebody waits for it.")
    if engine.holdsLock(id) { throw inUse }
    do throws(EngineError) {
      // A lock that is the object: whether it is free. The others' is held for moments, as by the last thread
      // to come to a barrier, which has let the others go already; one of them may destroy the barrier now.
      if kind == .lock {
        try engine.tryAcquireLock(id, for: .moment)
      } else {
        try engine.acquireLock(id, for: .moment)
      }
    } catch .busy {
      throw inUse
    } catch {
      throw MerinoError(engine: error, "destroy a \(kind.name)")
    }
    let (home, record) = engine.lockRecord(id)
    var idle = false
    var isThere = false
    try attempting("destroy a \(kind.name)") { () throws(EngineError) in
      var words = try engine.readControl(home, record.state)
      isThere = words.removeLast() == raw
      idle = isThere && isIdle(words)
      if idle { try engine.writeControl(home, record.info, [0]) }
      // A lock that the program waits for, against the rules, takes a slot of the program's and not this one.
      try engine.releaseLock(id, handsOver: kind != .lock)
    }
    if !isThere { throw Self.invalid(raw, kind) }
    if !idle { throw inUse }
    known[id].store(0)
  }
}

extension Engine {
  /// What `places` of `peer`'s control memory says.
  func readControl(_ peer: NodeID, _ places: LockedWords) throws(EngineError) -> [UInt64] {
    var failure: EngineError?
    let words = [UInt64](unsafeUninitializedCapacity: places.count) { buffer, initialized in
      initialized = places.count
      guard places.count > 0, let base = buffer.baseAddress else { return }
      do throws(EngineError) {
        try readControl(peer, places.span, into: base)
      } catch {
        failure = error
        buffer.initialize(repeating: 0)
      }
    }
    if let failure { throw failure }
    return words
  }

  func readControl(_ peer: NodeID, _ word: MailWord) throws(EngineError) -> UInt64 {
    var value: UInt64 = 0
    try readControl(peer, word.span, into: &value)
    return value
  }

  /// Stores `words` at the beginning of `places` of `peer`'s control memory; in place when this returns.
  func writeControl(_ peer: NodeID, _ places: LockedWords, _ words: [UInt64]) throws(EngineError) {
    try writeControl(peer, places.words(0, count: words.count).writable, words)
  }

  /// `words`: as many as the span has room for.
  func writeControl(_ peer: NodeID, _ span: WritableSpan, _ words: [UInt64]) throws(EngineError) {
    let outcome = words.withUnsafeBytes { bytes -> EngineError? in
      guard let base = bytes.baseAddress else { return nil }
      do throws(EngineError) {
        try writeControl(peer, span, from: base)
        return nil
      } catch {
        return error
      }
    }
    if let outcome { throw outcome }
  }
}
