import Glibc
import Merino

// The Swift API as a program uses it, on any number of nodes: `merino run -n 4 -- ApiProbe`.

/// A list in shared memory, as a program would build it.
struct ListNode: BitwiseCopyable {
  var value: Int
  var next: SharedPointer<ListNode>
}

func errors(_ cluster: Cluster) throws {
  Checks.refuses(.alreadyJoined, "join twice") { _ = try Cluster.join() }
  Checks.refuses(.invalidArgument, "segment of no bytes") {
    _ = try cluster.createSegment(named: "none", byteCount: 0)
  }
  Checks.refuses(.invalidArgument, "segment of negative bytes") {
    _ = try cluster.createSegment(named: "none", byteCount: -1)
  }
  Checks.refuses(.noSpace, "segment of Int.max bytes") {
    _ = try cluster.createSegment(named: "big", byteCount: .max)
  }
  Checks.refuses(.notSupported, "unit below the page") {
    _ = try cluster.createSegment(named: "unit", byteCount: 1, unitByteCount: 1024)
  }
  Checks.refuses(.invalidArgument, "placed at no node") {
    _ = try cluster.createSegment(named: "place", byteCount: 1, placement: .node(cluster.nodeCount))
  }
  Checks.refuses(.notFound, "open what nobody made") { _ = try cluster.openSegment(named: "nobody") }
  Checks.refuses(.outOfMemory, "Int.max elements") { _ = try cluster.allocate(Int.self, count: .max) }
  Checks.refuses(.outOfMemory, "negative bytes") { _ = try cluster.allocate(byteCount: -1) }
  Checks.refuses(.invalidArgument, "alignment 3") { _ = try cluster.allocate(byteCount: 8, alignment: 3) }
  Checks.refuses(.invalidHandle, "lock 0") { try Lock(handle: 0).acquire() }
  Checks.refuses(.invalidArgument, "barrier of nobody") { _ = try cluster.makeBarrier(participants: 0) }
  Checks.refuses(.invalidArgument, "reduce doubles by or") { _ = try cluster.allReduce([1.0], .bitwiseOr) }
  var local = 0
  withUnsafeMutablePointer(to: &local) { pointer in
    Checks.refuses(.badAddress, "free the stack") { try cluster.free(UnsafeMutableRawPointer(pointer)) }
    Checks.refuses(.badAddress, "detach the stack") { try cluster.detach(UnsafeMutableRawPointer(pointer)) }
    Checks.refuses(.badAddress, "atomic on the stack") { _ = try cluster.atomicFetchAdd(pointer, 1) }
  }
}

func segments(_ cluster: Cluster) throws {
  if cluster.node == 0 {
    _ = try cluster.createSegment(
      named: "swift", byteCount: 100_000, unitByteCount: 16384, placement: .cyclic)
  }
  try cluster.barrier()
  let segment = try cluster.openSegment(named: "swift")
  Checks.check(segment.byteCount == 100_000 && segment.unitByteCount == 16384, "a segment's size and unit")
  Checks.check(segment.placement == .cyclic && segment.name == "swift", "its placement and name")
  let view = try segment.attach()
  guard let base = view.baseAddress else { return Checks.check(false, "a view has an address") }
  Checks.check(view.count == 100_000, "the view's bytes")
  Checks.check(base == cluster.defaultAddress(of: segment), "at the default address")
  Checks.check(cluster.viewCount(of: segment) == 1, "one view")
  let ints = view.bindMemory(to: Int.self)
  for index in stride(from: cluster.node, to: ints.count, by: cluster.nodeCount) { ints[index] = index * 3 }
  try cluster.barrier()
  Checks.check(ints.enumerated().allSatisfy { $1 == $0 * 3 }, "what all nodes stored")
  try cluster.barrier()
  try cluster.pin(UnsafeRawBufferPointer(view), writable: true)
  Checks.refuses(.busy, "detach while pinned") { try cluster.detach(base) }
  try cluster.unpin(UnsafeRawBufferPointer(view))
  Checks.refuses(.badAddress, "unpin twice") { try cluster.unpin(UnsafeRawBufferPointer(view)) }
  try cluster.prefetch(UnsafeRawBufferPointer(view))
  try cluster.barrier()
  if cluster.node == 0 { try segment.destroy() }
  try cluster.barrier()
  let status = try segment.status()
  Checks.check(status.isDestroyed && status.viewCount == cluster.nodeCount, "destroyed, with views")
  Checks.refuses(.notFound, "open a destroyed one") { _ = try cluster.openSegment(named: "swift") }
  try cluster.barrier()
  try cluster.detach(base)
  try cluster.barrier()
  Checks.refuses(.invalidHandle, "its pages are gone") { _ = try segment.status() }
}

func synchronisation(_ cluster: Cluster) throws {
  struct Board: BitwiseCopyable {
    var lock: UInt64
    var readers: UInt64
    var event: UInt64
    var barrier: UInt64
    var counter: Int
    var head: SharedPointer<ListNode>
  }
  let memory = try cluster.collectiveAllocate(byteCount: MemoryLayout<Board>.size)
  let board = SharedPointer<Board>(address: UInt(bitPattern: memory))
  if cluster.node == cluster.nodeCount - 1 {
    board.pointee = Board(
      lock: try cluster.makeLock().handle, readers: try cluster.makeReadWriteLock().handle,
      event: try cluster.makeEvent().handle,
      barrier: try cluster.makeBarrier(participants: cluster.nodeCount * 2).handle, counter: 0, head: .null)
  }
  try cluster.barrier()
  let lock = Lock(handle: board.pointee.lock)
  let barrier = Barrier(handle: board.pointee.barrier)
  let threads = (0..<2).map { _ in
    onThread {
      do {
        for _ in 0..<200 {
          try lock.withLock { board.pointee.counter += 1 }
        }
        let node = try cluster.allocate(ListNode.self, count: 1)
        try lock.withLock {
          node[0] = ListNode(value: 1, next: board.pointee.head)
          board.pointee.head = node.base
        }
        try barrier.wait()
      } catch {
        Checks.check(false, "a thread: \(error)")
      }
    }
  }
  for thread in threads { pthread_join(thread, nil) }
  Checks.check(board.pointee.counter == cluster.nodeCount * 400, "withLock: every increment counts")
  var length = 0
  var next = board.pointee.head
  while next != .null {
    length += next.pointee.value
    next = next.pointee.next
  }
  Checks.check(length == cluster.nodeCount * 2, "a list linked by all threads of all nodes")
  struct Oops: Error {}
  do { try lock.withLock { throw Oops() } } catch { Checks.check(error is Oops, "withLock passes errors on") }
  Checks.refuses(.notOwner, "and has given the lock back") { try lock.release() }
  try lock.withLock {
    Checks.refuses(.deadlock, "recursion") { try lock.acquire() }
    Checks.refuses(.deadlock, "recursion by try") { _ = try lock.tryAcquire() }
  }
  let readers = ReadWriteLock(handle: board.pointee.readers)
  let seen = try readers.withReadLock {
    Checks.refuses(.deadlock, "write while reading") { try readers.acquireForWriting() }
    return board.pointee.counter
  }
  Checks.check(seen == cluster.nodeCount * 400, "withReadLock returns what its body does")
  // Everybody has looked at the counter.
  try cluster.barrier()
  try readers.withWriteLock { board.pointee.counter += 1 }
  let event = Event(handle: board.pointee.event)
  if cluster.node == 0 { try event.set() }
  try event.wait()
  try cluster.barrier()
  Checks.check(board.pointee.counter == cluster.nodeCount * 401, "withWriteLock: every increment counts")
  if cluster.node == 0 {
    var next = board.pointee.head
    while let node = next.pointer {
      next = node.pointee.next
      try cluster.free(UnsafeMutableRawPointer(node))
    }
    try lock.destroy()
    try readers.destroy()
    try event.destroy()
    try barrier.destroy()
  }
  try cluster.collectiveFree(memory)
}

func atomicsAndReductions(_ cluster: Cluster) throws {
  let words = try cluster.collectiveAllocate(byteCount: 64).bindMemory(to: Int32.self, capacity: 16)
  for _ in 0..<100 {
    _ = try cluster.atomicFetchAdd(words, -1)
    _ = try cluster.atomicFetchAdd(words + 1, 2, .acquireRelease)
  }
  try cluster.barrier()
  Checks.check(try cluster.atomicLoad(words) == Int32(-100 * cluster.nodeCount), "signed words below 0")
  Checks.check(try cluster.atomicLoad(words + 1, .acquire) == Int32(200 * cluster.nodeCount), "its neighbour")
  try cluster.barrier()
  if cluster.node == 0 {
    let before = try cluster.atomicLoad(words)
    let swapped = try cluster.atomicCompareExchange(words, expected: before, desired: -7)
    Checks.check(swapped == before, "compare-exchange of a negative word: the value before")
    Checks.check(
      try cluster.atomicExchange(words, 5) == -7, "compare-exchange of a negative word: the new value")
    Checks.check(
      try cluster.atomicLoad(words + 1) == Int32(200 * cluster.nodeCount),
      "compare-exchange of a negative word: the neighbour")
    let long = UnsafeMutableRawPointer(words + 8).assumingMemoryBound(to: Int64.self)
    try cluster.atomicStore(long, .min)
    Checks.check(try cluster.atomicLoad(long) == .min, "Int64.min")
  }
  try cluster.collectiveFree(words)
  let sums = try cluster.allReduce([cluster.node, 1].map(Int64.init), .sum)
  let expected = [cluster.nodeCount * (cluster.nodeCount - 1) / 2, cluster.nodeCount].map(Int64.init)
  Checks.check(sums == expected, "allReduce of Int64")
  let doubles = try cluster.allReduce([0.1 * Double(cluster.node + 1)], .sum)
  var inOrder = 0.1
  for node in 1..<max(cluster.nodeCount, 1) { inOrder += 0.1 * Double(node + 1) }
  Checks.check(doubles[0].bitPattern == inOrder.bitPattern, "allReduce of Double, bit for bit")
  var text = [UInt8](repeating: UInt8(cluster.node), count: 9)
  try text.withUnsafeMutableBytes { try cluster.broadcast($0, from: cluster.nodeCount - 1) }
  Checks.check(text.allSatisfy { $0 == UInt8(cluster.nodeCount - 1) }, "broadcast")
}

/// What a process that is no node any more is told, whatever it still has in its hands.
func afterLeaving(_ cluster: Cluster, _ word: UnsafeMutableRawPointer, _ segment: Segment) {
  Checks.refuses(.notJoined, "after leaving: barrier") { try cluster.barrier() }
  Checks.refuses(.notJoined, "after leaving: finalize") { try cluster.finalize() }
  Checks.refuses(.notJoined, "after leaving: makeLock") { _ = try cluster.makeLock() }
  Checks.refuses(.notJoined, "after leaving: a named lock") { _ = try cluster.makeLock(named: "late") }
  Checks.refuses(.notJoined, "after leaving: makeEvent") { _ = try cluster.makeEvent() }
  Checks.refuses(.notJoined, "after leaving: makeCondition") { _ = try cluster.makeCondition() }
  Checks.refuses(.notJoined, "after leaving: makeReadWriteLock") { _ = try cluster.makeReadWriteLock() }
  Checks.refuses(.notJoined, "after leaving: makeBarrier") { _ = try cluster.makeBarrier(participants: 1) }
  Checks.refuses(.notJoined, "after leaving: createSegment") {
    _ = try cluster.createSegment(named: "late", byteCount: 1)
  }
  Checks.refuses(.notJoined, "after leaving: openSegment") { _ = try cluster.openSegment(named: "late") }
  Checks.refuses(.notJoined, "after leaving: attach") { _ = try segment.attach() }
  Checks.refuses(.notJoined, "after leaving: allocate") { _ = try cluster.allocate(byteCount: 8) }
  Checks.refuses(.notJoined, "after leaving: collectiveAllocate") {
    _ = try cluster.collectiveAllocate(byteCount: 8)
  }
  Checks.refuses(.notJoined, "after leaving: fences") { try cluster.acquireFence() }
  Checks.refuses(.notJoined, "after leaving: fences") { try cluster.releaseFence() }
  Checks.refuses(.notJoined, "after leaving: allReduce") { _ = try cluster.allReduce([Int64(1)], .sum) }
  Checks.refuses(.notJoined, "after leaving: segmentBytesInUse") { _ = try cluster.segmentBytesInUse() }
  let range = UnsafeRawBufferPointer(start: word, count: 8)
  Checks.refuses(.notJoined, "after leaving: prefetch") { try cluster.prefetch(range) }
  Checks.refuses(.notJoined, "after leaving: pin") { try cluster.pin(range, writable: true) }
  Checks.refuses(.notJoined, "after leaving: unpin") { try cluster.unpin(range) }
  Checks.refuses(.notJoined, "after leaving: detach") { try cluster.detach(word) }
  Checks.refuses(.alreadyJoined, "after leaving: join") { _ = try Cluster.join() }
  Checks.check(cluster.statistics.barriers == 0, "after leaving: statistics")
  Checks.check(cluster.describePage(at: word).hasSuffix("."), "after leaving: describePage")
  Checks.check(cluster.nodeCount > cluster.node, "after leaving: what a process keeps")
}

func run() throws {
  Checks.refuses(.notJoined, "before joining") { _ = try Cluster.current() }
  let cluster = try Cluster.join()
  Checks.node = cluster.node
  try cluster.barrier()
  let before = try (cluster.heapBytesInUse(), cluster.segmentBytesInUse())
  try cluster.barrier()
  try errors(cluster)
  try segments(cluster)
  try synchronisation(cluster)
  try atomicsAndReductions(cluster)
  for _ in 0..<2 { try cluster.barrier() }
  let after = try (cluster.heapBytesInUse(), cluster.segmentBytesInUse())
  Checks.check(before == after, "nothing is left in use: \(before), \(after)")
  // Everybody has looked.
  try cluster.barrier()
  let lock = try cluster.makeLock()
  try lock.acquire()
  Checks.refuses(.busy, "finalize with a lock") { try cluster.finalize() }
  try lock.release()
  let word = try cluster.allocate(byteCount: 8)
  let segment = try cluster.createSegment(named: "left \(cluster.node)", byteCount: 1)
  try cluster.finalize()
  afterLeaving(cluster, word, segment)
}

do {
  try run()
} catch {
  Checks.check(false, "the program: \(error)")
}
exit(Checks.failures.load(ordering: .relaxed) == 0 ? 0 : 1)
