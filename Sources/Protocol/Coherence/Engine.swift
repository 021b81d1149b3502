import Fabric
import Platform

/// What stops an operation of the protocol. Trivially copyable: throwing it allocates nothing.
@frozen
public enum EngineError: Error, BitwiseCopyable, Sendable, Equatable {
  // A struct, not a tuple of payloads: throwing it in a debug build must not build metadata at run time.
  /// The fabric could not do what was needed, or a peer is gone.
  case fabric(FabricFailure)
  /// The calling thread holds the lock already.
  case deadlock
  /// The calling thread does not hold the lock.
  case notOwner
  /// The lock is held by somebody else (try, or within a time limit).
  case busy
  /// Every lock slot that this node's program may use is in use.
  case slotsExhausted
  /// The number names no live object of this kind.
  case invalidObject
}

/// Lazy Release Consistency for one node: what a page fault, a release, an acquire, a lock, a barrier
/// do. One body of code for production and for the simulator; `E` says over which fabric, with
/// which protection.
///
/// A handful of raw pointers, trivially copyable, so that the signal handler uses it
/// without reference counting. The memory behind it (`localByteCount`) and the fabric's
/// outlive every copy. All members may be called from any thread unless they say otherwise.
@frozen
public struct Engine<E: Environment>: BitwiseCopyable, @unchecked Sendable {
  // What the fabric would say each time: one that is made of several is copied whole when it is asked.
  public let node: NodeID
  @usableFromInline let control: UnsafeMutableRawPointer
  @usableFromInline let frames: UnsafeMutableRawPointer
  @usableFromInline let laneCount: Int
  @usableFromInline let inlineLimit: Int
  public let fabric: E.F
  public let protection: E.P
  public let execution: E.X
  public let configuration: Configuration
  public let layout: ControlLayout
  public let pages: PageTable<E.W>
  public let local: LocalState<E.W>

  /// `localMemory`: `Engine.localByteCount` bytes of zeroed memory, page-aligned, private to this
  /// node. The fabric's control memory is zeroed too and at least `layout.byteCount` long.
  public init(
    fabric: E.F, protection: E.P, execution: E.X, configuration: Configuration,
    layout: ControlLayout, localMemory: UnsafeMutableRawPointer
  ) {
    node = fabric.node
    control = fabric.memory.control
    frames = fabric.memory.frames
    laneCount = fabric.laneCount
    inlineLimit = fabric.inlineLimit
    self.fabric = fabric
    self.protection = protection
    self.execution = execution
    self.configuration = configuration
    self.layout = layout
    let memory = LocalMemory<E.W>(configuration, at: localMemory)
    local = memory.state
    pages = memory.pages
    precondition(fabric.memory.controlByteCount >= layout.byteCount, "control memory too small")
    for index in 0..<ControlLayout.blockPageCount { SharedByte<E.W>(ones + index).store(1) }
    for peer in configuration.nodes {
      let mapped =
        configuration.mechanisms.contains(.locksInPlace)
        ? UInt(bitPattern: fabric.controlMapping(of: peer)) : 0
      local.controlMappings[peer].store(UInt64(mapped))
    }
    for index in 0..<configuration.workspaceCount { workspace(index).one.store(1) }
  }

  /// Bytes of private memory that an engine needs; sparse, most of it is twins.
  public static func localByteCount(_ c: Configuration) -> Int { LocalMemory<E.W>(c, at: nil).byteCount }

  @inlinable var nodeCount: Int { configuration.nodeCount }

  /// A job of one node: nobody fetches, nobody notices.
  @inlinable
  var isAlone: Bool { nodeCount == 1 && configuration.mechanisms.contains(.alone) }

  @inlinable
  func isOn(_ mutation: Mutation) -> Bool { E.M.isOn(mutation) }

  @inlinable
  func frame(_ page: Page) -> UnsafeMutableRawPointer {
    frames + configuration.byteOffset(of: page)
  }

  @inlinable
  func byteCount(_ unit: Unit) -> Int { unit.count << configuration.pageShift }

  /// Operations on a page share a lane, so that mark, READ, diff and closing READ stay in order.
  @inlinable
  func lane(_ page: Page) -> Lane { Lane((page.number >> 4) % laneCount) }

  /// Orders what is before it and what is behind it, stores before later loads included.
  @inlinable func fullFence() { E.W.fence() }
}
