import CVerbs
import Glibc

/// What may be done to a memory region, or through a queue pair.
public struct MemoryAccess: OptionSet, Sendable {
  /// The value of `enum ibv_access_flags`.
  public let rawValue: UInt32
  /// Any flags, known or not.
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// This device writes to it: receives, results of READs and atomics. Reading is always allowed.
  public static let localWrite = MemoryAccess(rawValue: 1)
  /// Peers WRITE to it. Needs `localWrite` too.
  public static let remoteWrite = MemoryAccess(rawValue: 2)
  /// Peers READ it.
  public static let remoteRead = MemoryAccess(rawValue: 4)
  /// Peers execute atomics on it. Needs `localWrite` too.
  public static let remoteAtomic = MemoryAccess(rawValue: 8)
  /// Pages are not pinned but brought in when they are touched, where the device can.
  public static let onDemand = MemoryAccess(rawValue: 64)
  /// Writes may reach the memory out of order: never where one write announces another.
  public static let relaxedOrdering = MemoryAccess(rawValue: 1 << 20)

  /// Local and remote reading, writing and atomics.
  public static let all: MemoryAccess = [.localWrite, .remoteWrite, .remoteRead, .remoteAtomic]
}

/// A local buffer with the key that admits to it: what a work request reads from or writes to.
@frozen
public struct LocalBuffer: BitwiseCopyable, @unchecked Sendable {
  /// Where it begins.
  public var address: UInt64
  /// Its length.
  public var byteCount: UInt32
  /// The region's local key; not looked at for inline data.
  public var key: UInt32

  /// A buffer in a registered region; `key` 0 for data that is sent inline.
  @inlinable
  public init(_ address: UnsafeRawPointer, byteCount: Int, key: UInt32 = 0) {
    self.address = UInt64(UInt(bitPattern: address))
    self.byteCount = UInt32(truncatingIfNeeded: byteCount)
    self.key = key
  }
}

/// Memory of a peer in the peer's terms, with the key that admits to it.
@frozen
public struct RemoteBuffer: BitwiseCopyable, Sendable {
  /// The address as its owner sees it.
  public var address: UInt64
  /// The region's remote key.
  public var key: UInt32

  /// An address of a peer, as the peer announced it.
  @inlinable
  public init(address: UInt64, key: UInt32) {
    self.address = address
    self.key = key
  }

  /// The same region, `bytes` further.
  @inlinable
  public func advanced(by bytes: Int) -> RemoteBuffer {
    RemoteBuffer(address: address &+ UInt64(bitPattern: Int64(bytes)), key: key)
  }
}

/// Memory registered with the device. The device reads and writes it by itself, so it stays mapped until the
/// region is closed; requests that name the region have completed by then.
public struct MemoryRegion: ~Copyable, @unchecked Sendable {
  // Registered memory is shared with the device anyway; the struct itself does not change after init.
  private var pointer: UnsafeMutablePointer<ibv_mr>?
  private let ownsMemory: Bool
  /// The domain that it belongs to.
  public let protectionDomain: ProtectionDomain
  /// The memory.
  public let bytes: UnsafeMutableRawBufferPointer
  /// The key that work requests of this process name.
  public let localKey: UInt32
  /// The key that peers name.
  public let remoteKey: UInt32

  /// Registers memory of the caller, who keeps it mapped until the region is closed. May block: pages are
  /// pinned.
  ///
  /// - Throws: `VerbsError`; ENOMEM is most often the limit of locked memory.
  public init(
    _ protectionDomain: ProtectionDomain, _ bytes: UnsafeMutableRawBufferPointer, access: MemoryAccess
  ) throws(VerbsError) {
    try self.init(protectionDomain, bytes, access: access, ownsMemory: false)
  }

  /// Allocates zeroed, page-aligned memory and registers it; closing frees it.
  public init(
    _ protectionDomain: ProtectionDomain, allocating byteCount: Int, access: MemoryAccess
  ) throws(VerbsError) {
    let pageByteCount = sysconf(Int32(_SC_PAGESIZE))
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: pageByteCount)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    do {
      try self.init(protectionDomain, bytes, access: access, ownsMemory: true)
    } catch {
      bytes.deallocate()
      throw error
    }
  }

  private init(
    _ protectionDomain: ProtectionDomain, _ bytes: UnsafeMutableRawBufferPointer, access: MemoryAccess,
    ownsMemory: Bool
  ) throws(VerbsError) {
    errno = 0
    let pointer = try checkPointer(
      cverbs_register(protectionDomain.pointer, bytes.baseAddress, bytes.count, access.rawValue),
      "ibv_reg_mr",
      on: Self.describe(bytes))
    self.protectionDomain = protectionDomain
    self.bytes = bytes
    self.ownsMemory = ownsMemory
    self.pointer = pointer
    localKey = pointer.pointee.lkey
    remoteKey = pointer.pointee.rkey
  }

  private static func describe(_ bytes: UnsafeMutableRawBufferPointer) -> String {
    "\(bytes.count) bytes at 0x\(String(UInt(bitPattern: bytes.baseAddress), radix: 16))"
  }

  /// A part of the region for a work request of this process.
  public func local(offset: Int, byteCount: Int) -> LocalBuffer {
    precondition(
      offset >= 0 && byteCount >= 0 && offset <= bytes.count - byteCount,
      "the buffer lies outside of its region")
    return LocalBuffer(
      UnsafeRawPointer(bytes.baseAddress.unsafelyUnwrapped + offset), byteCount: byteCount, key: localKey)
  }

  /// A place in the region, to be told to a peer.
  public func remote(offset: Int = 0) -> RemoteBuffer {
    RemoteBuffer(address: UInt64(UInt(bitPattern: bytes.baseAddress)), key: remoteKey).advanced(by: offset)
  }

  /// Withdraws the region and frees memory that it allocated. Also done at the end of its life, without a
  /// report.
  public consuming func close() throws(VerbsError) {
    guard let closing = pointer.take() else { return }
    let code = ibv_dereg_mr(closing)
    let object = Self.describe(bytes)
    // Memory that the device may still reach is leaked rather than given to someone else.
    if code == 0, ownsMemory { bytes.deallocate() }
    try check(code, "ibv_dereg_mr", on: object)
  }

  deinit {
    guard let pointer else { return }
    if ibv_dereg_mr(pointer) == 0, ownsMemory { bytes.deallocate() }
  }
}
