import BenchmarkSupport
import Verbs

/// Operations by which Merino's steps are made, posted by one doorbell each; the last is reported.
public enum PlainOperation: Sendable, CustomStringConvertible {
  /// A READ.
  case read(byteCount: Int)
  /// What a fault posts: two marks of a byte each, and behind them the READ of the page.
  case markedRead(byteCount: Int)
  /// Two READs: a range of a log, and the log's floor.
  case twoReads(byteCount: Int)
  /// A free lock is taken: compare-and-swap of its tail, READ of its clock.
  case compareAndSwapAndRead(byteCount: Int)
  /// A lock is left free: WRITE of its clock, compare-and-swap of its tail.
  case writeAndCompareAndSwap(byteCount: Int)
  /// A diff and the READ of 8 bytes that proves that it is placed.
  case writeAndRead(byteCount: Int)
  /// A fetch-and-add.
  case fetchAdd
  /// A compare-and-swap.
  case compareAndSwap

  /// For the report.
  public var description: String {
    switch self {
    case .read(let count): "READ of \(count) bytes"
    case .markedRead(let count): "two WRITEs of 1 byte and READ of \(count) bytes, one doorbell"
    case .twoReads(let count): "two READs of \(count) bytes, one doorbell"
    case .compareAndSwapAndRead(let count): "compare-and-swap and READ of \(count) bytes, one doorbell"
    case .writeAndCompareAndSwap(let count): "WRITE of \(count) bytes and compare-and-swap, one doorbell"
    case .writeAndRead(let count): "WRITE of \(count) bytes and READ of 8, one doorbell"
    case .fetchAdd: "fetch-and-add"
    case .compareAndSwap: "compare-and-swap"
    }
  }
}

extension FloorEnd {
  /// What an operation took, in nanoseconds, an entry a time.
  public struct Times: Sendable {
    /// ibv_post_send alone.
    public var post: [UInt64] = []
    /// From the return of ibv_post_send to the completion.
    public var wire: [UInt64] = []
    /// Both.
    public var total: [UInt64] = []
  }

  /// Carries an operation out `count` times, one after the other.
  ///
  /// - Throws: `PostError`, `VerbsError`, `FloorFailure`.
  public func times(_ operation: PlainOperation, count: Int) throws -> Times {
    var batch = SendBatch(capacity: 3)
    add(operation, &batch.chain)
    batch.chain.addToLast(.signaled)
    var times = Times()
    for _ in 0..<count {
      let began = Clock.now()
      try identifier.post(batch)
      let posted = Clock.now()
      try finish()
      let ended = Clock.now()
      times.post.append(posted - began)
      times.wire.append(ended - posted)
      times.total.append(ended - began)
    }
    return times
  }

  /// Page faults in whose handler the operation is carried out, in nanoseconds: what a fault that
  /// communicates costs without anything of Merino. More than a fault and the operation by themselves, where
  /// each is repeated with warm caches.
  ///
  /// - Throws: `FloorFailure`, `PostError`, `VerbsError`, `FaultFloor.Failure`.
  public func faults(
    carryingOut operation: PlainOperation, order: [UInt32], pageByteCount: Int
  ) throws -> [UInt64] {
    var failure: (any Error)?
    let times = try FaultFloor.measure(order: order, pageByteCount: pageByteCount) {
      do { _ = try self.times(operation, count: 1) } catch { failure = error }
    }
    if let failure { throw failure }
    return times
  }

  private func add(_ operation: PlainOperation, _ chain: inout SendChain) {
    switch operation {
    case .read(let count):
      chain.read(id: 1, from: remote, into: landing(byteCount: count))
    case .markedRead(let count):
      write(&chain, 1)
      write(&chain, 1)
      chain.read(id: 1, from: remote, into: landing(byteCount: count))
    case .twoReads(let count):
      chain.read(id: 1, from: remote, into: landing(byteCount: count))
      chain.read(id: 1, from: remote, into: landing(offset: count, byteCount: count))
    case .compareAndSwapAndRead(let count):
      swap(&chain)
      chain.read(id: 1, from: remote.advanced(by: 64), into: landing(offset: 64, byteCount: count))
    case .writeAndCompareAndSwap(let count):
      write(&chain, count, offset: 64)
      swap(&chain)
    case .writeAndRead(let count):
      write(&chain, count)
      chain.read(id: 1, from: remote, into: landing(offset: 64, byteCount: 8))
    case .fetchAdd:
      chain.fetchAdd(id: 1, at: remote, addend: 1, old: landing(byteCount: 8))
    case .compareAndSwap: swap(&chain)
    }
  }

  func write(_ chain: inout SendChain, _ byteCount: Int, offset: Int = 0) {
    chain.write(
      id: 1, from: landing(offset: offset, byteCount: byteCount), to: remote.advanced(by: offset),
      flags: byteCount <= inlineByteCount ? .inline : .none)
  }

  private func swap(_ chain: inout SendChain) {
    chain.compareAndSwap(id: 1, at: remote, expected: 0, desired: 0, old: landing(byteCount: 8))
  }
}
