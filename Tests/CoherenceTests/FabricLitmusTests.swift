import Fabric
import Glibc
import Platform
import SimulatedFabric
import Testing

/// A cluster without a protocol: nodes with memory, and whatever threads a test spawns.
final class BareCluster {
  let scheduler: Scheduler
  let network: Network
  private let blocks: [UnsafeMutableRawPointer]
  static let controlBytes = 512
  static let framesBytes = 256

  init(seed: UInt64, _ shape: NetworkShape) {
    scheduler = Scheduler(seed: seed)
    scheduler.stepLimit = 100_000
    let bytes = Self.controlBytes + Self.framesBytes
    blocks = (0..<shape.nodeCount).map { _ in
      let block = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
      block.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
      return block
    }
    network = Network(
      shape, scheduler: scheduler,
      memories: blocks.map {
        NodeMemory(
          control: $0, controlByteCount: Self.controlBytes, frames: $0 + Self.controlBytes,
          framesByteCount: Self.framesBytes, chunkByteCount: 128)
      })
  }

  deinit { for block in blocks { block.deallocate() } }

  func control(_ node: Int, _ offset: Int) -> UnsafeMutableRawPointer {
    network.fabric(of: NodeID(node)).memory.control + offset
  }

  /// One batch on one connection, then a wait for its completion. The flight is at offset 0, so
  /// one thread a node uses this.
  func transfer(
    _ node: Int, _ peer: Int, lane: Int = 0, isWaiting: Bool = true,
    _ fill: (SimulatedFabric, inout SimulatedFabric.Batch, RemoteAddress) -> Void
  ) {
    let fabric = network.fabric(of: NodeID(node))
    let saved = scheduler.enterCritical()
    var batch = fabric.open(NodeID(peer), lane: Lane(lane))
    fill(fabric, &batch, fabric.controlMemory(of: NodeID(peer)))
    fabric.submit(batch, Flight(control(node, 0)))
    scheduler.leaveCritical(saved)
    if isWaiting { wait(node) }
  }

  func wait(_ node: Int) {
    let flight = Flight(control(node, 0))
    while true {
      let saved = scheduler.enterCritical()
      network.fabric(of: NodeID(node)).poll()
      scheduler.leaveCritical(saved)
      if flight.pending.load() == 0 { return }
      scheduler.pause()
    }
  }
}

/// How many of `count` seeds end with `body` returning true.
func seeds(
  _ count: UInt64, _ shape: NetworkShape, _ body: (BareCluster) throws -> Bool
) rethrows -> Int {
  var hits = 0
  for seed in 0..<count where try body(BareCluster(seed: seed, shape)) { hits += 1 }
  return hits
}

@Suite struct FabricLitmusTests {
  /// Node 0 writes data, then a flag; node 1 sees the flag. Returns whether the data was missing.
  func messagePassing(_ cluster: BareCluster, flagLane: Int) throws -> Bool {
    var isStale = false
    cluster.scheduler.spawn("writer", node: 0) {
      AtomicWord(cluster.control(0, 64)).store(7)
      if flagLane == 0 {
        cluster.transfer(0, 1) { fabric, batch, there in
          fabric.write(&batch, from: cluster.control(0, 64), byteCount: 8, to: there.advanced(by: 128))
          fabric.write(&batch, from: cluster.control(0, 64), byteCount: 8, to: there.advanced(by: 192))
        }
        return
      }
      for lane in 0...1 {
        cluster.transfer(0, 1, lane: lane) { fabric, batch, there in
          fabric.write(
            &batch, from: cluster.control(0, 64), byteCount: 8, to: there.advanced(by: 128 + 64 * lane))
        }
      }
    }
    cluster.scheduler.spawn("reader", node: 1) {
      while AtomicWord(cluster.control(1, 192)).load() == 0 { cluster.scheduler.pause() }
      isStale = AtomicWord(cluster.control(1, 128)).load() != 7
    }
    try cluster.scheduler.run()
    return isStale
  }

  @Test func operationsOfOneConnectionAreInOrder() throws {
    let shape = NetworkShape(nodeCount: 2, laneCount: 2)
    #expect(try seeds(500, shape) { try messagePassing($0, flagLane: 0) } == 0)
  }

  @Test func lanesAreNotOrderedEvenByCompletions() throws {
    let shape = NetworkShape(nodeCount: 2, laneCount: 2)
    #expect(try seeds(500, shape) { try messagePassing($0, flagLane: 1) } > 5)
  }

  @Test(arguments: [false, true])
  func aCompletedWriteIsPlacedOnlyAfterAReadBehindIt(_ isClosed: Bool) throws {
    let missing = try seeds(500, NetworkShape(nodeCount: 2)) { cluster in
      var isMissing = false
      cluster.scheduler.spawn("writer", node: 0) {
        AtomicWord(cluster.control(0, 64)).store(7)
        cluster.transfer(0, 1) { fabric, batch, there in
          fabric.write(&batch, from: cluster.control(0, 64), byteCount: 8, to: there.advanced(by: 128))
          if isClosed { fabric.read(&batch, from: there, into: cluster.control(0, 72), byteCount: 8) }
        }
        isMissing = AtomicWord(cluster.control(1, 128)).load() != 7
      }
      try cluster.scheduler.run()
      return isMissing
    }
    #expect(isClosed ? missing == 0 : missing > 20)
  }

  @Test(arguments: [0, 64])
  func onlyLongWritesReadTheirSourceLater(_ inlineLimit: Int) throws {
    let late = try seeds(300, NetworkShape(nodeCount: 2, inlineLimit: inlineLimit)) { cluster in
      cluster.scheduler.spawn("writer", node: 0) {
        AtomicWord(cluster.control(0, 64)).store(7)
        cluster.transfer(0, 1, isWaiting: false) { fabric, batch, there in
          fabric.write(&batch, from: cluster.control(0, 64), byteCount: 8, to: there.advanced(by: 128))
          fabric.read(&batch, from: there, into: cluster.control(0, 72), byteCount: 8)
        }
        AtomicWord(cluster.control(0, 64)).store(8)
        cluster.wait(0)
      }
      try cluster.scheduler.run()
      let placed = AtomicWord(cluster.control(1, 128)).load()
      #expect(placed == 7 || placed == 8)
      return placed == 8
    }
    #expect(inlineLimit == 64 ? late == 0 : late > 20)
  }

  /// Words keep together in transfers of words only.
  @Test(arguments: [8, 12, 16])
  func transfersLongerThanAWordAreTorn(_ byteCount: Int) throws {
    var tornWords = 0
    let torn = try seeds(500, NetworkShape(nodeCount: 2)) { cluster in
      cluster.scheduler.spawn("reader", node: 0) {
        cluster.transfer(0, 1) { fabric, batch, there in
          fabric.read(
            &batch, from: there.advanced(by: 128), into: cluster.control(0, 64), byteCount: byteCount)
        }
      }
      cluster.scheduler.spawn("owner", node: 1) {
        cluster.scheduler.point()
        memset(cluster.control(1, 128), 0xFF, 16)
      }
      try cluster.scheduler.run()
      let bytes = UnsafeRawBufferPointer(start: cluster.control(0, 64), count: byteCount)
      for start in stride(from: 0, to: byteCount & ~7, by: 8) {
        let word = bytes[start..<start + 8]
        if word.contains(0) && word.contains(0xFF) { tornWords += 1 }
      }
      return bytes.contains(0) && bytes.contains(0xFF)
    }
    #expect(byteCount == 8 ? torn == 0 : torn > (byteCount == 12 ? 5 : 0), "\(torn)")
    #expect(byteCount == 12 ? tornWords > 5 : tornWords == 0)
  }

  @Test(arguments: [false, true])
  func atomicsAreAtomicAmongThemselvesOnly(_ isMixed: Bool) throws {
    let lost = try seeds(500, NetworkShape(nodeCount: 3)) { cluster in
      for node in 0...2 {
        cluster.scheduler.spawn("adder \(node)", node: node) {
          for _ in 0..<4 {
            cluster.transfer(node, 1) { fabric, batch, there in
              fabric.fetchAdd(
                &batch, at: there.advanced(by: 128), addend: 1, old: cluster.control(node, 64))
            }
          }
        }
      }
      cluster.scheduler.spawn("processor", node: 1) {
        if isMixed { AtomicWord(cluster.control(1, 128)).fetchAdd(1) }
      }
      try cluster.scheduler.run()
      return AtomicWord(cluster.control(1, 128)).load() != (isMixed ? 13 : 12)
    }
    #expect(isMixed ? lost > 5 : lost == 0)
  }

  @Test func aCompareAndSwapHasOneWinner() throws {
    let wrong = try seeds(300, NetworkShape(nodeCount: 3)) { cluster in
      for node in 0...2 {
        cluster.scheduler.spawn("node \(node)", node: node) {
          cluster.transfer(node, 2) { fabric, batch, there in
            fabric.compareAndSwap(
              &batch, at: there.advanced(by: 128), expected: 0, desired: UInt64(node + 1),
              old: cluster.control(node, 64))
          }
        }
      }
      try cluster.scheduler.run()
      let winner = AtomicWord(cluster.control(2, 128)).load()
      let olds = (0...2).map { AtomicWord(cluster.control($0, 64)).load() }
      return !(0...2).allSatisfy { olds[$0] == (winner == UInt64($0 + 1) ? 0 : winner) }
    }
    #expect(wrong == 0)
  }

  @Test func aReadMaySeeAWritePostedBehindIt() throws {
    let newer = try seeds(500, NetworkShape(nodeCount: 2)) { cluster in
      cluster.scheduler.spawn("node 0", node: 0) {
        AtomicWord(cluster.control(0, 64)).store(7)
        cluster.transfer(0, 1) { fabric, batch, there in
          fabric.read(&batch, from: there.advanced(by: 128), into: cluster.control(0, 72), byteCount: 8)
          fabric.write(&batch, from: cluster.control(0, 64), byteCount: 8, to: there.advanced(by: 128))
        }
      }
      try cluster.scheduler.run()
      return AtomicWord(cluster.control(0, 72)).load() == 7
    }
    #expect(newer > 5)
    #expect(newer < 400)
  }

  /// The interval log's rule: the owner raises the floor before it overwrites, the reader READs entry, then
  /// floor.
  @Test func aReadIsNeverOlderThanTheReadBeforeIt() throws {
    let wrong = try seeds(2000, NetworkShape(nodeCount: 2)) { cluster in
      cluster.scheduler.spawn("reader", node: 0) {
        cluster.transfer(0, 1) { fabric, batch, there in
          fabric.read(&batch, from: there.advanced(by: 128), into: cluster.control(0, 64), byteCount: 8)
          fabric.read(&batch, from: there.advanced(by: 192), into: cluster.control(0, 72), byteCount: 8)
        }
      }
      cluster.scheduler.spawn("owner", node: 1) {
        cluster.scheduler.point()
        AtomicWord(cluster.control(1, 192)).store(1)
        cluster.scheduler.point()
        AtomicWord(cluster.control(1, 128)).store(1)
      }
      try cluster.scheduler.run()
      return AtomicWord(cluster.control(0, 64)).load() == 1 && AtomicWord(cluster.control(0, 72)).load() == 0
    }
    #expect(wrong == 0)
  }
}
