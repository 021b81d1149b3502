import Coherence
import Platform
import SimulatedFabric

/// What simulated engines are made of.
public enum SimulatedEnvironment: Environment {
  public typealias F = SimulatedFabric
  public typealias P = SimulatedProtection
  public typealias X = SimulatedExecution
  public typealias M = SimulatedMutations
  public typealias W = BareMemory
}

/// A node's engine in the simulator.
public typealias SimulatedEngine = Engine<SimulatedEnvironment>

/// The software MMU of a node, as its engine sees it.
public struct SimulatedProtection: Protection, @unchecked Sendable {
  let node: Unmanaged<SimulatedNode>

  public func lower(_ pages: PageRange, to access: Access) {
    node._withUnsafeGuaranteedRef { $0.lower(pages, to: access) }
  }

  public func raise(_ pages: PageRange, to access: Access, in view: ViewID) {
    node._withUnsafeGuaranteedRef { $0.raise(pages, to: access, in: view) }
  }

  public func setPinned(_ pages: PageRange, _ pinned: Bool) {
    node._withUnsafeGuaranteedRef { $0.setPinned(pages, pinned) }
  }

  public func discardFrames(_ pages: PageRange) {
    node._withUnsafeGuaranteedRef { $0.discardFrames(pages) }
  }
}

/// Waiting and time of simulated threads.
public struct SimulatedExecution: Execution, @unchecked Sendable {
  let scheduler: Unmanaged<Scheduler>

  public func pause(_ backoff: inout Backoff) {
    scheduler._withUnsafeGuaranteedRef { $0.pauseOutsideBatch() }
  }
  public func interleave(_ site: Int) { scheduler._withUnsafeGuaranteedRef { $0.delicatePoint(site) } }
  public func enterCritical() -> UInt64 { scheduler._withUnsafeGuaranteedRef { $0.enterCritical() } }
  public func leaveCritical(_ saved: UInt64) {
    scheduler._withUnsafeGuaranteedRef { $0.leaveCritical(saved) }
  }
  /// Nothing: the simulated service thread looks whenever it is its turn.
  public func wakeService() {}
  public var threadID: UInt32 {
    scheduler._withUnsafeGuaranteedRef { UInt32(truncatingIfNeeded: $0.current + 1) }
  }
  public func nowNanoseconds() -> UInt64 { scheduler._withUnsafeGuaranteedRef { $0.nowNanoseconds } }
  public var lostPeer: Int32 { scheduler._withUnsafeGuaranteedRef { $0.lostPeer } }
  public func stop(_ violation: Violation) -> Never {
    scheduler._withUnsafeGuaranteedRef { $0.fail("\(violation)") }
  }
}
