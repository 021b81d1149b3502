import CPlatform
import Coherence
import NodeFabric
import Platform

/// How the engine's code runs in a real process.
///
/// A target of its own, below the one with the handler's entry: in a debug build the compiler sees through
/// `@inlinable` members of other targets, but not into other files of the same one, and `@_noLocks` needs
/// to see it all.
@frozen
public struct NodeExecution: Execution {
  /// 0 while all nodes are there, else the lost one + 1, the launcher being `FabricFailure.launcher`
  /// (`Bootstrap.Job`). Never goes away.
  @usableFromInline let lostPeerWord: AtomicWord
  /// An eventfd on which the service thread sleeps, open until the process's end as a node.
  @usableFromInline let wakeDescriptor: Int32
  /// Steps of a wait that spin before it yields.
  @usableFromInline let spinCount: UInt32

  /// `lostPeerWord`: as `Bootstrap.Job` keeps it. `spinCount`: 0 where what is waited for needs this
  /// processor, as a device that is software does, or nodes that have none of their own.
  @inlinable
  public init(lostPeerWord: AtomicWord, wakeDescriptor: Int32, spinCount: UInt32) {
    self.spinCount = spinCount
    self.lostPeerWord = lostPeerWord
    self.wakeDescriptor = wakeDescriptor
  }

  @inlinable public func pause(_ backoff: inout Backoff) { backoff.wait(spins: spinCount) }
  @inlinable public func interleave(_ site: Int) {}
  @inlinable public func enterCritical() -> UInt64 { cplatform_block_signals() }
  @inlinable public func leaveCritical(_ saved: UInt64) { cplatform_restore_signals(saved) }
  @inlinable public func wakeService() { cplatform_wake(wakeDescriptor) }
  @inlinable public var threadID: UInt32 { cplatform_thread_id() }
  @inlinable public func nowNanoseconds() -> UInt64 { cplatform_now_nanoseconds() }
  @inlinable public var lostPeer: Int32 { Int32(truncatingIfNeeded: lostPeerWord.load() &- 1) }

  @inlinable
  public func stop(_ violation: Violation) -> Never {
    var words = LastWords(cplatform_last_words())
    violation.append(to: &words)
    words.end()
  }
}

/// What the engine runs over in production.
public enum NodeEnvironment: Environment {
  /// One-sided communication.
  public typealias F = NodeFabric
  /// mprotect on the views.
  public typealias P = ViewProtection
  /// Threads and signals of a process.
  public typealias X = NodeExecution
  /// The protocol as it should be.
  public typealias M = NoMutations
  /// Instructions, and nothing else.
  public typealias W = BareMemory
}

/// The engine of this process.
public typealias NodeEngine = Engine<NodeEnvironment>
